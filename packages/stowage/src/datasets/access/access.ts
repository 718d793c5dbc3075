import { type Actor, StowageError } from '@stowage/core'
import type { Context } from '../../app/context.ts'
import type { Manifests } from '../manifests.ts'
import { locate } from '../read/index.ts'
import { accessFile, streamFile } from './file.ts'
import { accessFolder } from './folder.ts'
import { accessManifest } from './manifest.ts'
import type {
  Access,
  AccessOptions,
  FolderAccess,
  FolderAccessOptions,
  ManifestAccess,
  ManifestAccessOptions,
  StreamAccess,
  StreamAccessOptions,
} from './options.ts'
import { checkNode } from './places.ts'

/** Every kind of access. */
export type AnyAccessOptions = AccessOptions | FolderAccessOptions | StreamAccessOptions | ManifestAccessOptions

/** Decides where a version is read from, and gives the ways there. */
export async function access(
  context: Context,
  manifests: Manifests,
  actor: Actor,
  datasetId: string,
  options: AnyAccessOptions,
): Promise<Access | FolderAccess | StreamAccess | ManifestAccess> {
  const { mode, version, node, signal, path } = { path: undefined, ...options }
  if ((mode === 'url' || mode === 'stream') && path === undefined) {
    throw new StowageError('invalid-request', `Access by ${mode} is to one file.`, {
      field: 'path',
      hint: 'Name its path, or ask for the manifest.',
    })
  }
  checkNode(context, node)
  // Who reads a manifest or through this process checks the bytes; of others it is not known.
  const checked = mode === 'stream' || mode === 'manifest'
  const place = await locate(context, manifests, actor, datasetId, {
    ...(version === undefined ? {} : { version }),
    ...(signal === undefined ? {} : { signal }),
    request: { checked, ...(node === undefined ? {} : { node }) },
  })
  switch (options.mode) {
    case 'manifest':
      return accessManifest(context, place, options)
    case 'stream':
      return streamFile(context, place, options)
    case 'mount':
      if (options.path === undefined) return accessFolder(context, place, options)
      return accessFile(context, place, options)
    case 'url':
      return accessFile(context, place, options)
    default:
      throw new StowageError('invalid-request', `"${String(mode)}" is no mode of access.`, {
        field: 'mode',
        hint: 'Use url, stream, mount or manifest.',
      })
  }
}
