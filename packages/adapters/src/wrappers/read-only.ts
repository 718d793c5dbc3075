import { type Capabilities, type StorageAdapter, StowageError } from '@stowage/core'
import type { Call } from './call.ts'
import { WrappedAdapter } from './wrapped-adapter.ts'

/**
 * An adapter through which nothing is written: writes, deletes, uploads and URLs to write with are refused with `not-supported`, and its
 * capabilities say so. Every adapter does this by itself with `readOnly: true`.
 *
 * @example
 * ```ts
 * const archive = readOnly(bucket)
 * ```
 */
export function readOnly(adapter: StorageAdapter): StorageAdapter {
  const { capabilities } = adapter
  const less: Capabilities = {
    ...capabilities,
    readOnly: true,
    conditional: {
      ...capabilities.conditional,
      putCreateOnly: false,
      putIfMatch: false,
      completeCreateOnly: false,
      completeIfMatch: false,
      deleteIfMatch: false,
    },
    multipart: false,
    serverSideCopy: false,
    unknownSize: false,
    presign: capabilities.presign.filter((method) => method === 'get'),
    presignedWrites: 'none',
    archive: false,
    storageClasses: false,
  }
  return new WrappedAdapter(adapter, {
    capabilities: less,
    begin: (call) => {
      if (writes(call)) throw refused(adapter.id, call.operation)
      return { end: () => {} }
    },
    probe: (probe, options) => probe({ ...options, write: false }),
  })
}

function writes({ operation, kind, method }: Call): boolean {
  if (operation === 'presign') return method !== 'get'
  return kind === 'write' || operation === 'restore' || operation.startsWith('multipart.')
}

function refused(id: string, operation: string): StowageError {
  return new StowageError('not-supported', `${id}: ${operation}: this source is set to be read only.`, {
    sourceId: id,
    field: 'readOnly',
    hint: 'Write to another source, or take readOnly out of its configuration.',
  })
}
