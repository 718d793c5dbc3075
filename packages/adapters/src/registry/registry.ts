import { type StorageAdapter, StowageError } from '@stowage/core'
import type { FilesystemOptions } from '../filesystem/index.ts'
import type { MemoryOptions } from '../memory/index.ts'
import type { MinioOptions } from '../minio/index.ts'
import type { RustfsOptions } from '../rustfs/index.ts'
import type { S3Options } from '../s3/index.ts'

/** An adapter by its type, with the options of that type. */
export type AdapterConfig =
  | ({ type: 'memory' } & MemoryOptions)
  | ({ type: 'filesystem' } & FilesystemOptions)
  | ({ type: 's3' } & S3Options)
  | ({ type: 'minio' } & MinioOptions)
  | ({ type: 'rustfs' } & RustfsOptions)

type Makers = {
  [Type in AdapterConfig['type']]: (config: Extract<AdapterConfig, { type: Type }>) => Promise<StorageAdapter>
}

const makers: Makers = {
  memory: async (config) => (await import('../memory/index.ts')).memory(config),
  filesystem: async (config) => (await import('../filesystem/index.ts')).filesystem(config),
  s3: async (config) => (await import('../s3/index.ts')).s3(config),
  minio: async (config) => (await import('../minio/index.ts')).minio(config),
  rustfs: async (config) => (await import('../rustfs/index.ts')).rustfs(config),
}

/** The types that {@link createAdapter} knows. */
export const adapterTypes: readonly AdapterConfig['type'][] = Object.keys(makers) as AdapterConfig['type'][]

/**
 * Makes an adapter from plain data. The folder of its type, and a vendor's SDK with it, is loaded only now.
 *
 * @example
 * ```ts
 * const lan = await createAdapter({ type: 'minio', id: 'lan', endpoint: 'https://minio.lan:9000', bucket: 'train' })
 * ```
 * @throws StowageError `configuration` for a type that is not known or options that are wrong
 */
export async function createAdapter(config: AdapterConfig): Promise<StorageAdapter> {
  if (!Object.hasOwn(makers, config.type)) {
    throw new StowageError('configuration', `There is no adapter of the type ${JSON.stringify(config.type)}.`, {
      field: 'type',
      hint: `Use one of: ${adapterTypes.join(', ')}.`,
    })
  }
  const make = makers[config.type] as (config: AdapterConfig) => Promise<StorageAdapter>
  return make(config)
}
