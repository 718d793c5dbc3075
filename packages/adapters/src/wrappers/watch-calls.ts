import type { Readable } from 'node:stream'
import { type ListOptions, type ListPage, type StorageAdapter, type StowageError, toStowageError } from '@stowage/core'
import type { Operation } from './call.ts'
import { type ForwardedOptions, ForwardingAdapter } from './forwarding-adapter.ts'

/** How a call ended: well; a body was left by its reader before its end; or with an error. */
export type CallEnd = 'ok' | 'left' | StowageError

/** Hears of every call of an adapter. Called for each of them, so it must be quick, and must not throw. */
export interface CallWatch {
  /**
   * A call begins. A page of a listing is a call.
   * @returns whether it is to be timed
   */
  began(operation: Operation): boolean
  /**
   * It is over: of a read, when its body was read or destroyed.
   * @param ms of a call that is timed, milliseconds until the store answered
   */
  ended(operation: Operation, end: CallEnd, ms?: number): void
}

/**
 * An adapter that tells of its calls, how many are under way and how they end. Where `meter` measures each call, this makes nothing for one
 * that goes well and is not timed, so that it can always be on.
 *
 * @param now the time in milliseconds, for calls that are timed
 * @example
 * ```ts
 * let underWay = 0
 * const watched = watchCalls(bucket, { began: () => (underWay++, false), ended: () => underWay-- })
 * ```
 */
export function watchCalls(adapter: StorageAdapter, watch: CallWatch, now: () => number = Date.now): StorageAdapter {
  return new WatchedAdapter(adapter, watch, now)
}

class WatchedAdapter extends ForwardingAdapter {
  readonly locate?: NonNullable<StorageAdapter['locate']>
  readonly diagnose?: NonNullable<StorageAdapter['diagnose']>
  protected readonly inner: StorageAdapter
  readonly #watch: CallWatch
  readonly #now: () => number
  /** The body is `this`: one function serves all bodies. */
  readonly #onClose: (this: Readable) => void

  constructor(inner: StorageAdapter, watch: CallWatch, now: () => number) {
    super(inner)
    this.inner = inner
    this.#watch = watch
    this.#now = now
    this.#onClose = function () {
      watch.ended('get', endOf(this))
    }
    // Only where the adapter has them: their absence means something.
    if (inner.locate !== undefined) this.locate = inner.locate.bind(inner)
    if (inner.diagnose !== undefined) {
      const { diagnose } = inner
      this.diagnose = (options) => this.forward('diagnose', options, () => diagnose.call(inner, options))
    }
  }

  readonly get: StorageAdapter['get'] = async (key, options) => {
    const begun = this.#watch.began('get') ? this.#now() : undefined
    try {
      const result = await this.inner.get(key, options)
      const { body } = result
      const ms = begun === undefined ? undefined : this.#now() - begun
      if (body.closed) this.#watch.ended('get', endOf(body), ms)
      else if (ms === undefined) body.once('close', this.#onClose)
      else body.once('close', () => this.#watch.ended('get', endOf(body), ms))
      return result
    } catch (error) {
      this.#watch.ended('get', toStowageError(error))
      throw error
    }
  }

  readonly list: StorageAdapter['list'] = (options) => this.#pages(options)

  readonly watch: StorageAdapter['watch'] = (options) => this.inner.watch(options)

  readonly close: StorageAdapter['close'] = () => this.inner.close()

  async *#pages(options: ListOptions | undefined): AsyncGenerator<ListPage> {
    const pages = this.inner.list(options)[Symbol.asyncIterator]()
    let over = false
    try {
      for (;;) {
        const next = await this.forward('list', options, () => pages.next())
        over = next.done === true
        if (next.done === true) return
        yield next.value
      }
    } finally {
      if (!over) await pages.return?.()
    }
  }

  protected async forward<T>(
    operation: Operation,
    _options: ForwardedOptions,
    call: (inner: StorageAdapter) => Promise<T>,
  ): Promise<T> {
    const begun = this.#watch.began(operation) ? this.#now() : undefined
    let result: T
    try {
      result = await call(this.inner)
    } catch (error) {
      this.#watch.ended(operation, toStowageError(error))
      throw error
    }
    if (begun === undefined) this.#watch.ended(operation, 'ok')
    else this.#watch.ended(operation, 'ok', this.#now() - begun)
    return result
  }
}

function endOf(body: Readable): CallEnd {
  if (body.errored !== null) return toStowageError(body.errored)
  return body.readableEnded ? 'ok' : 'left'
}
