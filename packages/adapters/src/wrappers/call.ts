import type { Readable } from 'node:stream'
import type { ByteSource, MultipartOperations, PresignMethod, StorageAdapter, StowageError } from '@stowage/core'

/** Kinds of calls that are limited, and that fail, by themselves. */
export type OperationClass = 'read' | 'write' | 'list' | 'control'

/** The calls of an adapter by name. */
export type Operation =
  | Exclude<
      keyof StorageAdapter,
      'id' | 'type' | 'capabilities' | 'attempts' | 'multipart' | 'watch' | 'mountPath' | 'locate' | 'close'
    >
  | `multipart.${keyof MultipartOperations}`

const classes: Readonly<Record<Operation, OperationClass>> = {
  head: 'read',
  get: 'read',
  put: 'write',
  delete: 'write',
  deleteMany: 'write',
  list: 'list',
  copy: 'write',
  presign: 'control',
  getTags: 'control',
  restore: 'control',
  probe: 'control',
  diagnose: 'control',
  'multipart.create': 'write',
  'multipart.uploadPart': 'write',
  'multipart.uploadPartCopy': 'write',
  'multipart.listParts': 'list',
  'multipart.complete': 'write',
  'multipart.abort': 'write',
  'multipart.list': 'list',
}

/** One call that is about to be made. */
export interface Call {
  readonly operation: Operation
  readonly kind: OperationClass
  readonly signal: AbortSignal | undefined
  /** Of `presign`: what is signed. */
  readonly method?: PresignMethod
}

/** How a call ended. */
interface Outcome {
  /** Absent when it went well. */
  readonly error?: StowageError
  /** A listing was at its end already: nothing was asked for. */
  readonly nothing?: boolean
}

/** What stands around one call while it is under way. */
export interface Passage {
  /** Stands in for the bytes that go up. */
  up?(body: ByteSource): ByteSource | Promise<ByteSource>
  /** The store answered a `get`, and its body begins. Stands in for the body, or lets it be. */
  down?(body: Readable): Readable
  /** The call is over, and its body was read or destroyed. Called once. */
  end(outcome: Outcome): void
}

/** Lets a call begin, at once or later, or refuses it by throwing. */
export type Begin = (call: Call) => Passage | Promise<Passage>

/** The call of this name. */
export function callOf(operation: Operation, options: Pick<Call, 'method'> & { signal?: AbortSignal } = {}): Call {
  const { signal, method } = options
  return { operation, kind: classes[operation], signal, ...(method === undefined ? {} : { method }) }
}
