import { hasCode, probeFolder, readExactly } from '@stowage/core'
import { ExactBody, type ProbeSteps, rangeHeader } from '../shared/index.ts'
import { canaryBytes, canaryName, canaryRange, writtenBytes } from '../shared/probe-content.ts'
import type { OssContext } from './context.ts'
import { writeHeaders } from './headers.ts'
import { versionQuery } from './objects.ts'
import { prepareBody } from './upload-body.ts'

/** The steps of a probe on OSS, over the same connections as the calls of users. */
export function ossProbeSteps(context: OssContext): ProbeSteps {
  const { adapter, transport } = context
  const create = async (name: string, bytes: Uint8Array, signal: AbortSignal): Promise<string | undefined> => {
    const key = probeFolder + name
    const announced = { key, size: bytes.length, withMd5: transport.address.isPlain }
    const upload = await prepareBody(adapter, bytes, announced)
    const { headers } = await transport.send({
      method: 'PUT',
      key,
      signal,
      attempts: 1,
      headers: {
        ...writeHeaders(context, { contentType: 'text/plain' }),
        ...upload.headers,
        // A bucket with versions ignores it: there the version is told, and just that one is deleted.
        'x-oss-forbid-overwrite': 'true',
      },
      body: (watch) => upload.open(watch),
    })
    return headers['x-oss-version-id']
  }
  return {
    readCanary: async (signal) => {
      const key = probeFolder + canaryName
      const { length } = canaryRange
      const headers = { range: rangeHeader(canaryRange), 'x-oss-range-behavior': 'standard' }
      const answer = await transport.open({ method: 'GET', key, signal, attempts: 1, headers })
      const body = new ExactBody(answer.body, {
        length,
        what: `${adapter.id}: the canary`,
        signal,
        stallMs: transport.stallMs,
        mapError: (error) => transport.mapError(error, key),
      })
      return readExactly(body, length)
    },
    writeCanary: async (signal) => {
      await create(canaryName, canaryBytes, signal)
    },
    write: (name, signal) => create(name, writtenBytes, signal),
    remove: async (name, version, signal) => {
      const key = probeFolder + name
      const remove = (versionId: string | undefined): ReturnType<typeof transport.send> =>
        transport.send({ method: 'DELETE', key, signal, attempts: 1, query: versionQuery(versionId) })
      const current = async (): Promise<string | undefined> =>
        (await transport.send({ method: 'HEAD', key, signal, attempts: 1 })).headers['x-oss-version-id']
      try {
        const versionId = version ?? (await current())
        const { headers } = await remove(versionId)
        const marker = headers['x-oss-delete-marker'] === 'true' ? headers['x-oss-version-id'] : undefined
        // Where versioning is suspended, a delete leaves a marker in the object's place.
        if (versionId === undefined && marker !== undefined) await remove(marker)
      } catch (error) {
        if (!hasCode(error, 'not-found')) throw error
      }
    },
    ask: async (signal) => {
      await transport.send({ method: 'GET', signal, attempts: 1, query: { 'list-type': '2', 'max-keys': '1' } })
    },
  }
}
