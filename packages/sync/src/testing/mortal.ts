import { StowageError, type SyncStore } from '@stowage/core'
import type { FakeCall } from './fake-adapter.ts'

/** A process that is killed at its n-th call of anything outside: that call either had its effect or not, and no later one has. */
export class Mortal {
  readonly effect: boolean
  left: number
  dead = false
  /** The call that it died at. */
  last = ''

  readonly #counts: RegExp

  /** @param counts the calls that count, by their names: `put a/key`, `list `, … */
  constructor(calls: number, effect: boolean, counts: RegExp = /^/) {
    this.left = calls
    this.effect = effect
    this.#counts = counts
  }

  before(name: string): void {
    if (this.dead) throw killed()
    if (!this.#counts.test(name) || --this.left > 0) return
    this.dead = true
    this.last = name
    if (!this.effect) throw killed()
  }

  after(): void {
    if (this.dead) throw killed()
  }

  /** For the options of a fake adapter. */
  hooks(): { before: (call: FakeCall) => void; after: () => void } {
    return { before: ({ operation, key }) => this.before(`${operation} ${key}`), after: () => this.after() }
  }
}

function killed(): StowageError {
  return new StowageError('internal', 'killed')
}

/** A store that such a process uses. */
export function mortalStore(store: SyncStore, life: Mortal): SyncStore {
  const call = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    life.before(name)
    const result = await work()
    life.after()
    return result
  }
  const batch = store.batch?.bind(store)
  return {
    now: () => call('now', () => store.now()),
    get: (key) => call(`get ${key}`, () => store.get(key)),
    put: (key, value, expected) => call(`put ${key}`, () => store.put(key, value, expected)),
    delete: (key, expected) => call(`delete ${key}`, () => store.delete(key, expected)),
    ...(batch === undefined
      ? {}
      : { batch: (writes) => call(`batch ${writes.map(({ key }) => key)}`, () => batch(writes)) }),
    list: (prefix, options) => call(`list ${prefix}`, () => store.list(prefix, options)),
    close: () => store.close(),
  }
}
