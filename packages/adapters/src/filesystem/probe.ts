import { errnoOf } from '@stowage/core'
import type { ProbeSteps } from '../shared/index.ts'
import { notFound } from '../shared/index.ts'
import { canaryBytes, canaryName, canaryRange, writtenBytes } from '../shared/probe-content.ts'
import type { Context } from './context.ts'
import { isMissing, mapFsError } from './errors.ts'
import { discard, openTemporary } from './stage.ts'

/** The steps of a probe on a folder. Its files lie in the adapter's work folder. */
export function filesystemProbeSteps(context: Context, begin: () => void): ProbeSteps {
  const { adapter, fs, place } = context
  const pathOf = (name: string): string => place.work('probe', name)

  async function mapped<T>(work: () => Promise<T>): Promise<T> {
    begin()
    try {
      return await work()
    } catch (error) {
      throw mapFsError(adapter, error, 'the probe')
    }
  }

  /** As objects are written: a temporary file that appears under its name, whole. */
  async function create(name: string, bytes: Uint8Array): Promise<void> {
    const { handle, path } = await openTemporary(context)
    try {
      try {
        await handle.write(bytes)
        if (context.flush) await handle.datasync()
      } finally {
        await handle.close()
      }
      await fs.mkdir(place.work('probe'), { recursive: true })
      await fs.link(path, pathOf(name)).catch(async (error: unknown) => {
        // Another probe was faster, which is as good; or the disk knows no links.
        if (errnoOf(error) !== 'EEXIST') await fs.rename(path, pathOf(name))
      })
    } finally {
      await discard(context, path)
    }
  }

  return {
    readCanary: () =>
      mapped(async () => {
        await place.assertRoot()
        const handle = await fs.open(pathOf(canaryName), 'r').catch((error: unknown) => {
          throw isMissing(error) ? notFound(adapter, canaryName, error) : error
        })
        try {
          const { start, length } = canaryRange
          const { bytesRead, buffer } = await handle.read(Buffer.alloc(length), 0, length, start)
          return buffer.subarray(0, bytesRead)
        } finally {
          await handle.close()
        }
      }),
    writeCanary: () => mapped(() => create(canaryName, canaryBytes)),
    write: async (name) => {
      await mapped(() => create(name, writtenBytes))
      return undefined
    },
    remove: (name) => mapped(() => discard(context, pathOf(name))),
    // Who may not read the canary may still read the rest: it was written by somebody with another mask.
    ask: () =>
      mapped(async () => {
        await fs.readdir(place.root)
      }),
  }
}
