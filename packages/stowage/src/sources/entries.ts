import { StowageError } from '@stowage/core'
import type { Entry } from './entry.ts'

/** The sources that are known, by id: those of the configuration in its order, then those of the catalog. */
export class Entries {
  readonly #byId = new Map<string, Entry>()

  all(): Entry[] {
    return [...this.#byId.values()]
  }

  find(id: string): Entry | undefined {
    return this.#byId.get(id)
  }

  /** @throws StowageError `configuration` when there is no such source */
  get(id: string): Entry {
    const entry = this.#byId.get(id)
    if (entry !== undefined) return entry
    throw new StowageError('configuration', `There is no source "${id}".`, {
      field: 'sources',
      hint: `Known sources: ${[...this.#byId.keys()].join(', ')}.`,
    })
  }

  set(entry: Entry): void {
    this.#byId.set(entry.source.id, entry)
  }

  delete(id: string): void {
    this.#byId.delete(id)
  }

  /** @throws StowageError `configuration` for a source of the configuration, which is read-only */
  assertEditable(id: string): void {
    if (!this.#isOfFile(id)) return
    throw new StowageError('configuration', `The source "${id}" stands in the configuration and cannot be changed.`, {
      sourceId: id,
      hint: 'Change it there and start again.',
    })
  }

  /** @throws StowageError `configuration` when the configuration has this id */
  assertNoClash(id: string): void {
    if (!this.#isOfFile(id)) return
    throw new StowageError('configuration', `The id "${id}" stands for a source of the configuration.`, {
      sourceId: id,
      field: 'id',
      hint: 'Give one of the two another id.',
    })
  }

  #isOfFile(id: string): boolean {
    return this.#byId.get(id)?.origin === 'file'
  }
}
