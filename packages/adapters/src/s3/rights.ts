import { type Permission, probeFolder } from '@stowage/core'
import { type ProbeSteps, RightsTrial } from '../shared/index.ts'
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
  const trial = new RightsTrial()
  const { found } = trial
  const once = { key: Key, signal, attempts: 1 }

  await trial.attemptSteps(steps, name, write, signal)
  if (!write) return found

  if (found.put === true) {
    await trial.attempt('tags', () =>
      connection.send(once, ({ sdk, client, http }) => {
        const Tagging = { TagSet: [{ Key: 'stowage', Value: 'doctor' }] }
        return client.send(new sdk.PutObjectTaggingCommand({ Bucket, Key, Tagging }), http)
      }),
    )
    await trial.attempt('tags', () =>
      connection.send(once, ({ sdk, client, http }) =>
        client.send(new sdk.GetObjectTaggingCommand({ Bucket, Key }), http),
      ),
    )
  }
  const UploadId = await trial.attempt('multipart', async () => {
    const { UploadId: id } = await connection.send(once, ({ sdk, client, http }) =>
      client.send(new sdk.CreateMultipartUploadCommand({ Bucket, Key }), http),
    )
    return id
  })
  if (UploadId !== undefined) {
    await trial.attempt('multipart', () =>
      connection.send(once, ({ sdk, client, http }) =>
        client.send(new sdk.ListPartsCommand({ Bucket, Key, UploadId }), http),
      ),
    )
    await trial.attempt('abort', () =>
      connection.send(once, ({ sdk, client, http }) =>
        client.send(new sdk.AbortMultipartUploadCommand({ Bucket, Key, UploadId }), http),
      ),
    )
  }
  await trial.attempt('delete', () => steps.remove(name, undefined, signal))
  return found
}
