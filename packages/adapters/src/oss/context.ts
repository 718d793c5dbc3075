import type { RestoreOptions } from '@stowage/core'
import type Client from 'ali-oss'
import type { Called } from '../shared/index.ts'
import type { Transport } from './transport.ts'

/** What the calls of the adapter need. */
export interface OssContext {
  readonly adapter: Called
  readonly transport: Transport
  readonly control: OssControl
  /** Headers of every write, beside the object's own. */
  readonly encryption: Readonly<Record<string, string>>
}

/** The calls on the bucket itself and on archives. */
export interface OssControl {
  /**
   * Asks, before the first create-only write, whether the bucket keeps versions. Who may not ask finds out by the answer to the write.
   * @throws StowageError `configuration` for a bucket that does
   */
  assertUnversioned(signal: AbortSignal | undefined): Promise<void>
  /** Restores an archived object. One that is being restored, or is restored already, is no error. */
  restore(key: string, options: RestoreOptions, storageClass: string | undefined): Promise<void>
  /** Asks for settings of the bucket. What the SDK says when it does not understand an answer is mapped like the store's errors. */
  ask<T extends object>(
    signal: AbortSignal,
    ask: (client: Client, options: { headers: Readonly<Record<string, string>> }) => Promise<T>,
  ): Promise<Partial<T>>
}
