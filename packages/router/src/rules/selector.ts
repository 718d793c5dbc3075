import { lookUp, type RouteSource } from '../world.ts'
import type { Facts } from './facts.ts'
import type { ParsedMatch, ParsedSelector } from './schema.ts'

/** A source's place in a selector: 0 is first, -1 is not selected. */
export function placeIn(selector: ParsedSelector, source: RouteSource, facts: Facts): number {
  if (Array.isArray(selector)) return selector.indexOf(source.id)
  return fits(selector, source, facts) ? 0 : -1
}

/** The place of what a selector leaves out: after all that it has. */
export function lastPlace(selector: ParsedSelector): number {
  return Array.isArray(selector) ? selector.length : 1
}

function fits(match: ParsedMatch, source: RouteSource, facts: Facts): boolean {
  return (
    (match.id === undefined || match.id.includes(source.id)) &&
    (match.type === undefined || match.type.includes(source.type)) &&
    (match.region === undefined || (source.region !== undefined && match.region.includes(source.region))) &&
    (match.isPublic === undefined || match.isPublic === source.isPublic) &&
    (match.sameRegion === undefined ||
      match.sameRegion === (source.region !== undefined && source.region === facts.region)) &&
    (match.labels === undefined || hasLabels(match.labels, source)) &&
    (match.all === undefined || match.all.every((part) => fits(part, source, facts))) &&
    (match.any === undefined || match.any.some((part) => fits(part, source, facts))) &&
    (match.not === undefined || !fits(match.not, source, facts))
  )
}

function hasLabels(labels: Record<string, string[]>, source: RouteSource): boolean {
  return Object.entries(labels).every(([name, allowed]) => {
    const value = lookUp(source.labels, name)
    return value !== undefined && allowed.includes(value)
  })
}
