import { hasCode, StowageError, toStowageError } from '@stowage/core'
import type { Decision } from '@stowage/router'
import type { Context } from '../app/context.ts'
import { damageName, findEntry, type VersionPlace } from './read/index.ts'

export interface AccessOptions {
  /** `url`: presigned; `mount`: paths on this machine. */
  mode: 'url' | 'mount'
  path: string
  /** @defaultValue the newest */
  version?: number
  /** Seconds a URL stays valid. @defaultValue 3600 */
  expiresIn?: number
  signal?: AbortSignal
}

/** Ordered ways to one file, best first. */
export interface Access {
  path: string
  version: number
  size: number
  digest: string
  alternatives: { sourceId: string; url?: string; mountPath?: string; expiresAt?: number }[]
  /** Sources that hold the file and cannot give it in this mode. */
  without: { sourceId: string; reason: string }[]
  decision: Decision
}

/** Ordered ways to a file for programs that read by themselves. */
export async function accessFile(context: Context, place: VersionPlace, options: AccessOptions): Promise<Access> {
  const entry = await findEntry(place, options.path, options.signal)
  const alternatives: Access['alternatives'] = []
  const without: Access['without'] = []
  for (const replica of place.replicas) {
    const { sourceId } = replica
    const key = replica.path + entry.key
    if (place.damaged.has(damageName(sourceId, key))) {
      // Whoever reads by himself checks nothing.
      without.push({ sourceId, reason: 'this file is damaged there' })
      continue
    }
    try {
      const adapter = await context.sources.adapter(sourceId)
      if (options.mode === 'mount') {
        alternatives.push({ sourceId, mountPath: adapter.mountPath(key) })
        continue
      }
      const { url, expiresAt } = await adapter.presign({
        method: 'get',
        key,
        expiresIn: options.expiresIn ?? 3600,
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      })
      alternatives.push({ sourceId, url, expiresAt })
    } catch (error) {
      // What is wrong with the request, or stops it, is no fault of the source.
      if (hasCode(error, 'aborted', 'invalid-request')) throw error
      without.push({ sourceId, reason: toStowageError(error).message })
    }
  }
  if (alternatives.length === 0) {
    const what = options.mode === 'url' ? 'presigned URLs' : 'mount paths'
    throw new StowageError('not-supported', `No source that holds "${options.path}" gives ${what}.`, {
      hint: without.map(({ sourceId, reason }) => `${sourceId}: ${reason}`).join('; '),
    })
  }
  const { size, digest } = entry
  return {
    path: options.path,
    version: place.version.number,
    size,
    digest,
    alternatives,
    without,
    decision: place.decision,
  }
}
