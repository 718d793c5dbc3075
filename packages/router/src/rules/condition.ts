import type { Facts } from './facts.ts'
import type { ParsedCondition } from './schema.ts'

/** Whether a condition holds. */
export function holds(when: ParsedCondition, facts: Facts): boolean {
  return (
    oneOf(when.purpose, facts.purpose) &&
    oneOf(when.userType, facts.userType) &&
    oneOf(when.userId, facts.userId) &&
    oneOf(when.workspaceId, facts.workspaceId) &&
    oneOf(when.region, facts.region ?? null) &&
    oneOf(when.datasetId, facts.datasetId) &&
    (when.tag === undefined || when.tag.some((tag) => facts.tags.includes(tag))) &&
    (when.minSize === undefined || (facts.size !== undefined && facts.size >= when.minSize)) &&
    (when.maxSize === undefined || (facts.size !== undefined && facts.size <= when.maxSize)) &&
    (when.all === undefined || when.all.every((part) => holds(part, facts))) &&
    (when.any === undefined || when.any.some((part) => holds(part, facts))) &&
    (when.not === undefined || !holds(when.not, facts))
  )
}

function oneOf<T>(allowed: readonly T[] | undefined, value: T | undefined): boolean {
  return allowed === undefined || (value !== undefined && allowed.includes(value))
}
