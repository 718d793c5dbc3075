import type { StorageAdapter } from '@stowage/core'
import { S3Adapter, type S3Options, type S3Profile, type S3Quirk, s3Capabilities } from '../s3/index.ts'
import { readOnly } from '../wrappers/read-only.ts'

/** Options of {@link rustfs}: those of {@link S3Options}, and an endpoint. */
export interface RustfsOptions extends S3Options {
  endpoint: string
}

/** What RustFS (measured: 1.0.1) does differently from AWS S3. docs/stores.md tells of each. */
export const rustfsQuirks: readonly S3Quirk[] = [
  'part-checksums',
  'no-object-checksums',
  'no-conditional-deletes',
  'no-tag-count',
  'no-archive',
  'keys-are-paths',
  'no-control-characters',
  'shallow-keys',
]

const profile: S3Profile = {
  type: 'rustfs',
  capabilities: s3Capabilities,
  quirks: rustfsQuirks,
  pathStyle: () => true,
  needsEndpoint: true,
}

/**
 * A bucket of a RustFS server.
 *
 * @example
 * ```ts
 * const lan = rustfs({ id: 'lan', endpoint: 'https://rustfs.lan:9000', bucket: 'train', accessKey, secretKey })
 * ```
 * @throws StowageError `configuration` when an option is missing or wrong
 */
export function rustfs(options: RustfsOptions): StorageAdapter {
  const adapter = new S3Adapter(options, profile)
  return options.readOnly === true ? readOnly(adapter) : adapter
}
