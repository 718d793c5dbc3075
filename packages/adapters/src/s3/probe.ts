import { hasCode, probeFolder, readExactly } from '@stowage/core'
import { ExactBody, type ProbeSteps, rangeHeader } from '../shared/index.ts'
import { canaryBytes, canaryName, canaryRange, writtenBytes } from '../shared/probe-content.ts'
import { type S3Context, writeFields } from './objects.ts'
import { prepareBody } from './upload-body.ts'

/** The steps of a probe on an S3-like store, by the same path as the calls of users. */
export function s3ProbeSteps(context: S3Context): ProbeSteps {
  const { adapter, connection, dialect } = context
  const create = async (name: string, bytes: Uint8Array, signal: AbortSignal): Promise<string | undefined> => {
    const key = probeFolder + name
    const body = await prepareBody(adapter, bytes, { key, size: bytes.length, byMd5: !dialect.checksums })
    const headers = writeFields(context, { contentType: 'text/plain' })
    const request = adapter.capabilities.conditional.putCreateOnly
      ? { headers, ifNoneMatch: '*' as const }
      : { headers }
    const answer = await connection.data({ key, signal, attempts: 1 }, (path, flow) =>
      path.put(key, body, request, flow),
    )
    return answer.VersionId
  }
  return {
    readCanary: async (signal) => {
      const key = probeFolder + canaryName
      const { length } = canaryRange
      const answer = await connection.data({ key, signal, attempts: 1 }, (path, flow) =>
        path.get(key, rangeHeader(canaryRange), {}, flow),
      )
      const body = new ExactBody(answer.Body, {
        length,
        what: `${adapter.id}: the canary`,
        signal,
        stallMs: connection.stallMs,
        mapError: (error) => connection.mapError(error, key),
      })
      return readExactly(body, length)
    },
    writeCanary: async (signal) => {
      await create(canaryName, canaryBytes, signal)
    },
    write: (name, signal) => create(name, writtenBytes, signal),
    remove: async (name, version, signal) => {
      const key = probeFolder + name
      const remove = async (versionId: string | undefined): Promise<void> => {
        await connection.send({ key, signal, attempts: 1 }, ({ sdk, client, http }) =>
          client.send(
            new sdk.DeleteObjectCommand({
              Bucket: connection.bucket,
              Key: key,
              ...(versionId === undefined ? {} : { VersionId: versionId }),
            }),
            http,
          ),
        )
      }
      const versionId = version ?? (await currentVersion(context, key, signal))
      if (versionId !== undefined) return remove(versionId)
      try {
        // Where versioning is suspended a plain delete would leave a marker, of which MinIO does not tell.
        await remove('null')
      } catch (error) {
        if (!hasCode(error, 'access-denied', 'not-found', 'invalid-request', 'not-supported')) throw error
        await remove(undefined)
      }
    },
    ask: async (signal) => {
      await connection.data({ signal, attempts: 1 }, (path, flow) => path.page({ maxKeys: 1 }, flow))
    },
  }
}

/** The version that lies under a key now, where the store tells one. */
async function currentVersion(
  { connection }: S3Context,
  key: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    return (await connection.data({ key, signal, attempts: 1 }, (path, flow) => path.head(key, {}, flow))).VersionId
  } catch (error) {
    if (hasCode(error, 'not-found', 'access-denied')) return undefined
    throw error
  }
}
