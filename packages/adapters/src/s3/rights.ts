import { hasCode, type Permission, probeFolder, toStowageError } from '@stowage/core'
import type { ProbeSteps } from '../shared/index.ts'
import type { S3Context } from './objects.ts'

/** The object on which rights are tried. */
const name = 'doctor'

/** Tries one right after the other. What cannot be told, because another right is missing, is left out. */
export async function tryRights(
  { connection }: S3Context,
  steps: ProbeSteps,
  write: boolean,
  signal: AbortSignal,
): Promise<Partial<Record<Permission, boolean>>> {
  const Key = probeFolder + name
  const { bucket: Bucket } = connection
  const found: Partial<Record<Permission, boolean>> = {}
  const once = { key: Key, signal, attempts: 1 }
  async function attempt<T>(right: Permission, call: () => Promise<T>): Promise<T | undefined> {
    try {
      const result = await call()
      found[right] ??= true
      return result
    } catch (error) {
      if (hasCode(error, 'access-denied')) found[right] = false
      // A store that answers something else has let us ask.
      else if (hasCode(error, 'precondition-failed', 'not-found', 'conflict')) found[right] ??= true
      else if (!hasCode(error, 'not-supported')) throw toStowageError(error)
      return undefined
    }
  }

  await attempt('list', async () => steps.ask?.(signal))
  if (write) await attempt('put', () => steps.write(name, signal))
  await attempt('get', () => steps.readCanary(signal))
  // Those who may not list are told that they may not read what is not there.
  if (found.get === false && found.list === false && found.put !== true) delete found.get
  if (!write) return found

  if (found.put === true) {
    await attempt('tags', () =>
      connection.send(once, ({ sdk, client, http }) => {
        const Tagging = { TagSet: [{ Key: 'stowage', Value: 'doctor' }] }
        return client.send(new sdk.PutObjectTaggingCommand({ Bucket, Key, Tagging }), http)
      }),
    )
    await attempt('tags', () =>
      connection.send(once, ({ sdk, client, http }) =>
        client.send(new sdk.GetObjectTaggingCommand({ Bucket, Key }), http),
      ),
    )
  }
  const UploadId = await attempt('multipart', async () => {
    const { UploadId: id } = await connection.send(once, ({ sdk, client, http }) =>
      client.send(new sdk.CreateMultipartUploadCommand({ Bucket, Key }), http),
    )
    return id
  })
  if (UploadId !== undefined) {
    await attempt('multipart', () =>
      connection.send(once, ({ sdk, client, http }) =>
        client.send(new sdk.ListPartsCommand({ Bucket, Key, UploadId }), http),
      ),
    )
    await attempt('abort', () =>
      connection.send(once, ({ sdk, client, http }) =>
        client.send(new sdk.AbortMultipartUploadCommand({ Bucket, Key, UploadId }), http),
      ),
    )
  }
  await attempt('delete', () => steps.remove(name, undefined, signal))
  return found
}
