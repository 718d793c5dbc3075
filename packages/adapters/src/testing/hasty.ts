import { type Random, systemRandom } from '@stowage/core'

/** Chance by which an adapter does not pause between the attempts of a request: for tests in which a store refuses again and again. */
export const hasty: Random = { ...systemRandom, next: () => 0 }
