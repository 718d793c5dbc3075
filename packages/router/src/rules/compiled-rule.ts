import type { ParsedRule } from './schema.ts'

/** A rule of a rule set. Selectors that are equal are one and the same object throughout the set. */
export interface CompiledRule extends ParsedRule {
  /** It may apply to some sources and not to others. */
  readonly aboutSources: boolean
  /** `then.weight`, ready to be looked through. */
  readonly weights: readonly (readonly [sourceId: string, weight: number])[]
}
