import { StowageError } from '@stowage/core'
import type { ResolvedOptions } from './options.ts'
import type { Outcome } from './outcome.ts'

/** Of how many the names are kept. */
const kept = 100

/**
 * Objects that the target has no place for until an object goes that only the target has: a file where a folder is to be, or the other way
 * round. They are counted, and found again by another pass once the deletes are done.
 */
export class Blocked {
  #first: { key: string; error: StowageError }[] = []
  #count = 0

  get count(): number {
    return this.#count
  }

  /** Notes an object, and what to tell of it if it stays blocked. */
  note(key: string, error: StowageError): void {
    this.#count++
    if (this.#first.length < kept) this.#first.push({ key, error })
  }

  /** Notes that others found so many more. */
  more(count: number): void {
    this.#count += count
  }

  /** Forgets all: another pass finds those that still are. */
  forget(): void {
    this.#first = []
    this.#count = 0
  }

  /** Tells of them as failures: nothing will be deleted. */
  fail(objects: { conflicts: number }, outcome: Outcome): void {
    objects.conflicts += this.#count
    for (const { key, error } of this.#first) outcome.failed(key, error)
  }
}

/** Names the object in the way and says what can be done. */
export function blockedBy(key: string, by: string, options: ResolvedOptions): StowageError {
  const cure = options.delete ? 'it was not deleted' : 'delete it, or run with --delete'
  return new StowageError('conflict', `The target cannot hold "${key}" beside its own object "${by}": ${cure}.`, {
    key,
    sourceId: options.to.adapter.id,
  })
}
