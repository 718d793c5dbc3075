import { lookUp, type RouteSource } from '../world.ts'
import type { ParsedMatch } from './schema.ts'

/** Sources are looked at in chunks of so many, so that a set of them is the bits of one number. */
const CHUNK = 32

/** Up to 32 of the sources of one decision. Answers which of them are meant as bits, the lowest for the first. */
export class Chunk {
  /** Place of the chunk's first source among all. */
  readonly offset: number
  /** The bits of all its sources. */
  readonly all: number
  readonly #sources: readonly RouteSource[]
  #ids: Map<string, number> | undefined
  #types: Map<string, number> | undefined
  #regions: Map<string, number> | undefined
  #labels: Map<string, Map<string, number>> | undefined
  #public: number | undefined

  constructor(sources: readonly RouteSource[], offset: number) {
    this.#sources = sources
    this.offset = offset
    this.all = sources.length === CHUNK ? -1 : (1 << sources.length) - 1
  }

  /** The sources that a match means. @param region of the actor or node */
  matching(match: ParsedMatch, region: string | undefined): number {
    let bits = this.all
    if (match.id !== undefined) bits &= this.ids(match.id)
    if (match.type !== undefined) bits &= anyOf(this.#byType(), match.type)
    if (match.region !== undefined) bits &= this.inRegions(match.region)
    if (match.isPublic !== undefined) bits &= match.isPublic ? this.#isPublic() : ~this.#isPublic()
    if (match.sameRegion !== undefined) {
      const same = region === undefined ? 0 : (this.#byRegion().get(region) ?? 0)
      bits &= match.sameRegion ? same : ~same
    }
    if (match.labels !== undefined) {
      for (const name in match.labels) bits &= anyOf(this.#byLabel().get(name), match.labels[name] ?? [])
    }
    if (match.all !== undefined) for (const part of match.all) bits &= this.matching(part, region)
    if (match.any !== undefined) {
      let some = 0
      for (const part of match.any) some |= this.matching(part, region)
      bits &= some
    }
    if (match.not !== undefined) bits &= ~this.matching(match.not, region)
    return bits
  }

  /** The sources that stand in one of some regions. */
  inRegions(regions: readonly string[]): number {
    return anyOf(this.#byRegion(), regions)
  }

  /** The sources of some ids. */
  ids(ids: readonly string[]): number {
    this.#ids ??= group(this.#sources, ({ id }) => id)
    return anyOf(this.#ids, ids)
  }

  #byType(): Map<string, number> {
    this.#types ??= group(this.#sources, ({ type }) => type)
    return this.#types
  }

  #byRegion(): Map<string, number> {
    this.#regions ??= group(this.#sources, ({ region }) => region)
    return this.#regions
  }

  #byLabel(): Map<string, Map<string, number>> {
    if (this.#labels !== undefined) return this.#labels
    this.#labels = new Map()
    for (const { labels } of this.#sources) {
      for (const name in labels) {
        if (!this.#labels.has(name))
          this.#labels.set(
            name,
            group(this.#sources, (each) => lookUp(each.labels, name)),
          )
      }
    }
    return this.#labels
  }

  #isPublic(): number {
    if (this.#public !== undefined) return this.#public
    this.#public = 0
    for (let i = 0; i < this.#sources.length; i++) if (this.#sources[i]?.isPublic) this.#public |= 1 << i
    return this.#public
  }
}

/** The sources of one decision, in chunks. */
export function chunksOf(sources: readonly RouteSource[]): Chunk[] {
  if (sources.length <= CHUNK) return [new Chunk(sources, 0)]
  const chunks: Chunk[] = []
  for (let i = 0; i < sources.length; i += CHUNK) chunks.push(new Chunk(sources.slice(i, i + CHUNK), i))
  return chunks
}

/** Calls back with the place of every bit that is set. */
export function eachBit(bits: number, then: (place: number) => void): void {
  for (let rest = bits; rest !== 0; rest &= rest - 1) then(31 - Math.clz32(rest & -rest))
}

function group(
  sources: readonly RouteSource[],
  read: (source: RouteSource) => string | undefined,
): Map<string, number> {
  const groups = new Map<string, number>()
  for (let i = 0; i < sources.length; i++) {
    const value = read(sources[i] as RouteSource)
    if (value !== undefined) groups.set(value, (groups.get(value) ?? 0) | (1 << i))
  }
  return groups
}

function anyOf(groups: ReadonlyMap<string, number> | undefined, values: readonly string[]): number {
  let bits = 0
  for (const value of values) bits |= groups?.get(value) ?? 0
  return bits
}
