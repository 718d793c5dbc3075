import { StowageError } from '@stowage/core'

/** An error and what caused it, this deep. */
const DEPTH = 5

/**
 * Whose fault an error is, and whether it was counted. One failure is met several times: by the call that failed, by a reader that tells of
 * it, and, where its bytes were on the way to another source, by the write there.
 */
export class Blame {
  /** The source each error was first met at. */
  readonly #owners = new WeakMap<object, string>()
  /** Told by a reader before the call itself ended. */
  readonly #reported = new WeakSet<object>()

  /** Whether an error with which a call to a source ended is to be counted against it. */
  ofCall(sourceId: string, error: StowageError): boolean {
    const chain = chainOf(error)
    if (this.#isForeign(sourceId, chain)) return false
    const reported = chain.find((each) => this.#reported.delete(each))
    for (const each of chain) this.#owners.set(each, sourceId)
    return reported === undefined
  }

  /** Whether an error that a reader of a source reports is to be counted: it is not, when the call has ended with it already. */
  ofReader(sourceId: string, error: StowageError): boolean {
    const chain = chainOf(error)
    if (chain.some((each) => this.#owners.has(each))) return false
    for (const each of chain) this.#owners.set(each, sourceId)
    this.#reported.add(error)
    return true
  }

  #isForeign(sourceId: string, chain: readonly object[]): boolean {
    return chain.some((each) => {
      if ((this.#owners.get(each) ?? sourceId) !== sourceId) return true
      return StowageError.isInstance(each) && (each.sourceId ?? sourceId) !== sourceId
    })
  }
}

function chainOf(error: StowageError): object[] {
  const chain: object[] = []
  let each: unknown = error
  while (chain.length < DEPTH && typeof each === 'object' && each !== null) {
    chain.push(each)
    each = (each as { cause?: unknown }).cause
  }
  return chain
}
