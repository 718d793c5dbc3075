import { StowageError } from '@stowage/core'
import type { Context } from '../../app/context.ts'
import { damageName, findEntry, openEntry, type VersionPlace } from '../read/index.ts'
import type { Access, AccessAnswer, AccessOptions, StreamAccess, StreamAccessOptions } from './options.ts'
import { fromEach, keep, mountOf, noneGives } from './places.ts'

/** Ordered ways to a file for programs that read by themselves. */
export async function accessFile(context: Context, place: VersionPlace, options: AccessOptions): Promise<Access> {
  const { mode, path, node, signal, expiresIn = 3600 } = options
  const entry = await findEntry(place, path, signal)
  const without: AccessAnswer['without'] = []
  const alternatives = await fromEach(place.replicas, without, async (replica): Promise<Access['alternatives'][0]> => {
    const { sourceId } = replica
    const key = replica.path + entry.key
    if (place.damaged.has(damageName(sourceId, key))) {
      // Whoever reads by himself may check nothing.
      throw new StowageError('integrity', 'this file is damaged there')
    }
    if (mode === 'mount') {
      const mountPath = (await mountOf(context, replica, node)) + entry.key
      await keep(context, replica)
      return { sourceId, mountPath }
    }
    const adapter = await context.sources.adapter(sourceId)
    const { url, expiresAt } = await adapter.presign({
      method: 'get',
      key,
      expiresIn,
      ...(signal === undefined ? {} : { signal }),
    })
    await keep(context, replica, expiresIn)
    const checkedAt = context.sources.servedAt(sourceId)
    return { sourceId, url, expiresAt, ...(checkedAt === undefined ? {} : { checkedAt }) }
  })
  if (alternatives.length === 0) {
    const what = mode === 'url' ? 'presigned URLs' : 'mount paths'
    throw noneGives(`No source that holds "${path}" gives ${what}.`, without)
  }
  const { size, digest } = entry
  return { path, version: place.version.number, size, digest, alternatives, without, decision: place.decision }
}

/** Opens a file through this process, and says which sources it may come from. */
export async function streamFile(
  context: Context,
  place: VersionPlace,
  { path, signal, range, stallMs }: StreamAccessOptions,
): Promise<StreamAccess> {
  const entry = await findEntry(place, path, signal)
  const file = await openEntry(context, place, entry, {
    ...(range === undefined ? {} : { range }),
    ...(stallMs === undefined ? {} : { stallMs }),
    ...(signal === undefined ? {} : { signal }),
  })
  const { size, digest } = entry
  const alternatives = place.replicas.map(({ sourceId }) => ({ sourceId }))
  return { path, version: file.version, size, digest, alternatives, without: [], decision: place.decision, file }
}
