import { type ForwardedOptions, ForwardingAdapter, type Operation } from '@stowage/adapters/wrappers'
import type { DiagnoseOptions, Diagnosis, Place, StorageAdapter, StowageError } from '@stowage/core'
import { diagnose } from './doctor.ts'

/** An adapter, and how many calls are under way on it. */
interface Hold {
  readonly adapter: StorageAdapter
  users: number
  retired: boolean
}

/**
 * The adapter of a source that can change while it is used. Whoever holds it keeps it: new keys or settings are taken up by the next call,
 * and the connections before them are closed when the last call on them has ended, its body read. A source that moved or was removed ends
 * it: what was begun in one place must not go on in another.
 */
export class LiveAdapter extends ForwardingAdapter {
  readonly #before: () => Promise<void>
  #hold: Hold
  #replace: (() => Promise<StorageAdapter>) | undefined
  #replacing: Promise<void> | undefined
  #end: StowageError | undefined

  /** @param before called before every call; it may change what this adapter stands for */
  constructor(adapter: StorageAdapter, before: () => Promise<void>) {
    super(adapter)
    this.#before = before
    this.#hold = { adapter, users: 0, retired: false }
  }

  protected get inner(): StorageAdapter {
    return this.#hold.adapter
  }

  /** Lets the next call make a new adapter for the same place. One that cannot be made fails that call, and is tried again by the next. */
  replace(make: () => Promise<StorageAdapter>): void {
    this.#replace = make
  }

  /** Ends it: calls under way finish, later ones fail with this error. */
  end(error: StowageError): void {
    this.#end ??= error
    this.#retire(this.#hold)
  }

  readonly get: StorageAdapter['get'] = async (key, options) => {
    const hold = await this.#take()
    try {
      const result = await hold.adapter.get(key, options)
      result.body.once('close', () => this.#give(hold))
      return result
    } catch (error) {
      this.#give(hold)
      throw error
    }
  }

  readonly list: StorageAdapter['list'] = (options) => this.#each((adapter) => adapter.list(options))

  readonly watch: StorageAdapter['watch'] = (options) => this.#each((adapter) => adapter.watch(options))

  diagnose(options?: DiagnoseOptions): Promise<Diagnosis> {
    return this.#use((adapter) => diagnose(adapter, options ?? {}))
  }

  async locate(prefix: string): Promise<Place> {
    const { id } = this
    return this.#use(async (adapter) => (await adapter.locate?.(prefix)) ?? { store: `source:${id}`, path: prefix })
  }

  readonly close: StorageAdapter['close'] = async () => {
    await this.#replacing?.catch(() => undefined)
    if (this.#hold.retired) return
    this.#hold.retired = true
    await this.#hold.adapter.close()
  }

  protected forward<T>(
    _operation: Operation,
    _options: ForwardedOptions,
    call: (inner: StorageAdapter) => Promise<T>,
  ): Promise<T> {
    return this.#use(call)
  }

  async #use<T>(call: (adapter: StorageAdapter) => Promise<T>): Promise<T> {
    const hold = await this.#take()
    try {
      return await call(hold.adapter)
    } finally {
      this.#give(hold)
    }
  }

  async *#each<T>(pages: (adapter: StorageAdapter) => AsyncIterable<T>): AsyncGenerator<T> {
    const hold = await this.#take()
    try {
      yield* pages(hold.adapter)
    } finally {
      this.#give(hold)
    }
  }

  async #take(): Promise<Hold> {
    await this.#before()
    if (this.#replace !== undefined) await this.#renew()
    if (this.#end !== undefined) throw this.#end
    this.#hold.users++
    return this.#hold
  }

  #give(hold: Hold): void {
    hold.users--
    if (hold.retired && hold.users === 0) close(hold)
  }

  #renew(): Promise<void> {
    this.#replacing ??= this.#exchange().finally(() => {
      this.#replacing = undefined
    })
    return this.#replacing
  }

  async #exchange(): Promise<void> {
    while (this.#replace !== undefined && this.#end === undefined) {
      const make = this.#replace
      const adapter = await make()
      const old = this.#hold
      this.#hold = { adapter, users: 0, retired: false }
      this.#retire(old)
      // Another change may have come meanwhile.
      if (this.#replace === make) this.#replace = undefined
    }
  }

  #retire(hold: Hold): void {
    if (hold.retired) return
    hold.retired = true
    if (hold.users === 0) close(hold)
  }
}

/** Nobody waits for it, and nobody is left whom a failure would concern. */
function close({ adapter }: Hold): void {
  adapter.close().catch(() => undefined)
}
