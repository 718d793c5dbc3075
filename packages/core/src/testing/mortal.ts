import { Readable } from 'node:stream'
import { StowageError } from '../errors/index.ts'

/** Whoever every call of something passes through: it may be let through, or fail. */
export interface Caller {
  call<T>(name: string, work: () => T | Promise<T>): Promise<T>
}

/** A process that dies at its n-th call of anything outside: that call has its effect or not, and no later one has. */
export class Life implements Caller {
  left: number
  readonly effect: boolean
  dead = false
  /** The call that it died at. */
  last = ''

  readonly #counts: RegExp

  /** @param counts the calls that take of it, by their names. @defaultValue all */
  constructor(calls: number, effect: boolean, counts: RegExp = /^/) {
    this.left = calls
    this.effect = effect
    this.#counts = counts
  }

  async call<T>(name: string, work: () => T | Promise<T>): Promise<T> {
    this.before(name)
    const result = await work()
    if (this.dead) discard(result)
    this.after()
    return result
  }

  /** Comes before a call that does not go through {@link call}. */
  before(name: string): void {
    if (this.dead) throw killed()
    if (!this.#counts.test(name) || --this.left > 0) return
    this.dead = true
    this.last = name
    if (!this.effect) throw killed()
  }

  /** Comes after such a call has had its effect. */
  after(): void {
    if (this.dead) throw killed()
  }
}

/** A body that nobody gets is let go: an abort that comes later would find nobody who listens. */
function discard(result: unknown): void {
  const body = (result as { body?: unknown } | undefined)?.body
  if (body instanceof Readable) body.on('error', () => undefined).destroy()
}

const killed = (): StowageError => new StowageError('internal', 'killed')

/**
 * An adapter or a store whose every call passes through a life, also those of `multipart`. A listing of objects counts once. Closing does not.
 *
 * @example
 * ```ts
 * const life = new Life(7, true)
 * const store = mortal(memory({ id: 'a' }), 'a', life)
 * ```
 */
export function mortal<T extends object>(target: T, name: string, life: Caller): T {
  return new Proxy(target, {
    get(object, property) {
      const value: unknown = Reflect.get(object, property, object)
      if (property === 'multipart') return mortal(value as object, `${name}.multipart`, life)
      if (typeof value !== 'function' || property === 'close' || property === 'mountPath') return value
      const call = (value as (...args: unknown[]) => unknown).bind(object)
      if (property === 'list' && 'capabilities' in object) {
        return async function* (...args: unknown[]) {
          await life.call(`${name}.list`, () => undefined)
          yield* call(...args) as AsyncIterable<unknown>
        }
      }
      return (...args: unknown[]) => life.call(`${name}.${String(property)} ${String(args[0])}`, () => call(...args))
    },
  })
}
