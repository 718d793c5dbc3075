import {
  type Chunk,
  chunksOf,
  eachBit,
  type Facts,
  type ParsedCondition,
  type ParsedSelector,
  sourcesOf,
} from '../rules/index.ts'
import type { RouteSource } from '../world.ts'

/** Some of the sources of a decision, as bits by chunk. */
export type Bits = readonly number[]

/** The sources a rule speaks of. */
export type Scope = 'all' | Bits

/** A rule that puts some sources before others. */
export interface Preference {
  readonly ruleId: string
  readonly bits: Bits
  /** Places of sources that it puts first one after the other; `undefined` where all are alike. */
  readonly list: readonly number[] | undefined
}

/** What rules say of sources: by a source's place, the first rule that says it. */
export interface Said {
  readonly by: (string | undefined)[]
  /** Of which sources it was said already, by chunk. */
  readonly known: number[]
  /** Selectors of which it was said of all sources they mean: the same one again is no news. */
  heard: Set<ParsedSelector> | undefined
}

/** The sources of one decision, as rules speak of them. */
export class SourceSet {
  readonly #facts: Facts
  readonly #sources: readonly RouteSource[]
  readonly #chunks: readonly Chunk[]
  #places: Map<string, number> | undefined

  constructor(sources: readonly RouteSource[], facts: Facts) {
    this.#facts = facts
    this.#sources = sources
    this.#chunks = chunksOf(sources)
  }

  /** Nothing said yet. */
  said(): Said {
    return { by: [], known: this.#chunks.length === 1 ? [0] : this.#chunks.map(() => 0), heard: undefined }
  }

  /** The sources a condition speaks of; `undefined` when there are none. */
  scopeOf(when: ParsedCondition): Bits | undefined {
    const scope = this.#chunks.map((chunk) => sourcesOf(when, this.#facts, chunk))
    return scope.some((bits) => bits !== 0) ? scope : undefined
  }

  has(scope: Scope, sourceId: string): boolean {
    if (scope === 'all') return true
    const place = this.#placeOf(sourceId)
    return place !== undefined && isSet(scope, place)
  }

  /** A rule says something of the sources that a selector means. */
  say(said: Said, ruleId: string, selector: ParsedSelector, scope: Scope): void {
    if (wasHeard(said, selector, scope)) return
    for (let c = 0; c < this.#chunks.length; c++)
      note(said, c, ruleId, this.#meant(selector, c) & this.#within(scope, c))
  }

  /** A rule says something of all sources but those that a selector means. */
  sayOfOthers(said: Said, ruleId: string, selector: ParsedSelector, scope: Scope): void {
    if (wasHeard(said, selector, scope)) return
    for (let c = 0; c < this.#chunks.length; c++)
      note(said, c, ruleId, ~this.#meant(selector, c) & this.#within(scope, c))
  }

  /** A rule puts the sources that a selector means before others. */
  order(preferences: Preference[], said: Said, ruleId: string, selector: ParsedSelector, scope: Scope): void {
    if (wasHeard(said, selector, scope)) return
    const first = this.#meant(selector, 0) & this.#within(scope, 0)
    const bits = [first]
    let none = first === 0
    if (!none) note(said, 0, ruleId, first)
    for (let c = 1; c < this.#chunks.length; c++) {
      const meant = this.#meant(selector, c) & this.#within(scope, c)
      bits.push(meant)
      if (meant === 0) continue
      none = false
      note(said, c, ruleId, meant)
    }
    if (none) return
    const list = Array.isArray(selector) && selector.length > 1 ? this.#list(selector, bits) : undefined
    preferences.push({ ruleId, bits, list })
  }

  #list(ids: readonly string[], bits: Bits): number[] {
    const list: number[] = []
    for (const id of ids) {
      const place = this.#placeOf(id)
      if (place !== undefined && isSet(bits, place)) list.push(place)
    }
    return list
  }

  #meant(selector: ParsedSelector, c: number): number {
    const chunk = this.#chunks[c] as Chunk
    return Array.isArray(selector) ? chunk.ids(selector) : chunk.matching(selector, this.#facts.region)
  }

  #within(scope: Scope, c: number): number {
    return scope === 'all' ? (this.#chunks[c] as Chunk).all : (scope[c] ?? 0)
  }

  #placeOf(sourceId: string): number | undefined {
    this.#places ??= new Map(this.#sources.map(({ id }, place) => [id, place]))
    return this.#places.get(sourceId)
  }
}

/** Whether the source of a place is among those that bits name. */
export function isSet(bits: Bits, place: number): boolean {
  return (((bits[place >> 5] ?? 0) >>> (place & 31)) & 1) === 1
}

/** Whether a selector was heard before; notes it. One and the same selector is one object, see `CompiledRule`. */
function wasHeard(said: Said, selector: ParsedSelector, scope: Scope): boolean {
  if (scope !== 'all') return false
  if (said.heard === undefined) said.heard = new Set([selector])
  else if (said.heard.has(selector)) return true
  else said.heard.add(selector)
  return false
}

function note({ by, known }: Said, c: number, ruleId: string, bits: number): void {
  const news = bits & ~(known[c] ?? 0)
  if (news === 0) return
  known[c] = (known[c] ?? 0) | news
  eachBit(news, (place) => {
    by[c * 32 + place] = ruleId
  })
}
