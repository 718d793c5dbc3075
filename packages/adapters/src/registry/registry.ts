import { type SourceType, type StorageAdapter, StowageError } from '@stowage/core'
import type { FilesystemOptions } from '../filesystem/index.ts'
import type { MemoryOptions } from '../memory/index.ts'
import type { OssOptions } from '../oss/index.ts'
import type { S3Options } from '../s3/index.ts'

/**
 * An adapter as plain data, as it stands in a configuration: its type, and the options of that type. Which of them are needed depends
 * on the type and is checked when the adapter is made.
 */
export type AdapterConfig = { id: string; type: SourceType } & Partial<
  Omit<S3Options, 'id' | 'encryption'> &
    Omit<OssOptions, 'id' | 'encryption'> &
    Omit<FilesystemOptions, 'id'> &
    Omit<MemoryOptions, 'id'> & { encryption: S3Options['encryption'] | OssOptions['encryption'] }
>

/** Each loads its folder, and a vendor's SDK with it, only when it is called. Adapters check their own options, missing ones too. */
const makers: Readonly<Partial<Record<SourceType, (config: never) => Promise<StorageAdapter>>>> = {
  memory: async (config) => (await import('../memory/index.ts')).memory(config),
  filesystem: async (config) => (await import('../filesystem/index.ts')).filesystem(config),
  s3: async (config) => (await import('../s3/index.ts')).s3(config),
  minio: async (config) => (await import('../minio/index.ts')).minio(config),
  oss: async (config) => (await import('../oss/index.ts')).oss(config),
  rustfs: async (config) => (await import('../rustfs/index.ts')).rustfs(config),
}

/** The types that {@link createAdapter} knows. */
export const adapterTypes: readonly SourceType[] = Object.keys(makers) as SourceType[]

/**
 * Makes an adapter from plain data. The folder of its type is loaded only now, and a vendor's SDK at the adapter's first call.
 *
 * @example
 * ```ts
 * const lan = await createAdapter({ type: 'minio', id: 'lan', endpoint: 'https://minio.lan:9000', bucket: 'train' })
 * ```
 * @throws StowageError `configuration` for a type that is not known or options that are missing or wrong
 */
export async function createAdapter(config: AdapterConfig): Promise<StorageAdapter> {
  const make = Object.hasOwn(makers, config.type) ? makers[config.type] : undefined
  if (make === undefined) {
    throw new StowageError('configuration', `There is no adapter of the type ${JSON.stringify(config.type)}.`, {
      sourceId: config.id,
      field: 'type',
      hint: `Use one of: ${adapterTypes.join(', ')}.`,
    })
  }
  return make(config as never)
}
