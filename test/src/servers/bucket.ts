import { randomBytes } from 'node:crypto'
import { afterTest } from '../tmp.ts'
import type { TestServer } from './server.ts'
import { type SignedRequest, s3Request } from './signed.ts'

export interface FreshBucket extends AsyncDisposable {
  readonly name: string
  /** Removes the bucket with all that is in it. Called after the test that made the bucket, if a test did. */
  remove(): Promise<void>
}

/** Makes a bucket with a name of its own. One made outside of a test lasts until the server's end, or until `remove`. */
export async function freshBucket(server: TestServer, prefix = 'test'): Promise<FreshBucket> {
  const name = `${prefix}-${randomBytes(6).toString('hex')}`
  await succeed(server, { method: 'PUT', path: `/${name}` })
  let removed = false

  async function remove(): Promise<void> {
    if (removed) return
    removed = true
    await removeBucket(server, name)
  }

  afterTest(remove)
  return { name, remove, [Symbol.asyncDispose]: remove }
}

async function succeed(server: TestServer, request: SignedRequest): Promise<string> {
  const { status, body } = await s3Request(server, request)
  if (status >= 300) throw new Error(`${request.method} ${request.path} on ${server.endpoint}: ${status} ${body}`)
  return body
}

async function removeBucket(server: TestServer, name: string): Promise<void> {
  // MinIO's own: with everything in it, old versions and unfinished uploads included.
  const headers = { 'x-minio-force-delete': 'true' }
  const { status } = await s3Request(server, { method: 'DELETE', path: `/${name}`, headers })
  if (status !== 409) return
  for (;;) {
    const query = { versions: '', 'encoding-type': 'url' }
    const page = await succeed(server, { method: 'GET', path: `/${name}`, query })
    const entries = [...page.matchAll(/<(?:Version|DeleteMarker)>.*?<\/(?:Version|DeleteMarker)>/gs)]
    for (const [entry] of entries) {
      const key = decodeURIComponent((/<Key>(.*?)<\/Key>/s.exec(entry)?.[1] ?? '').replaceAll('+', ' '))
      const versionId = /<VersionId>(.*?)<\/VersionId>/.exec(entry)?.[1] ?? 'null'
      await succeed(server, { method: 'DELETE', path: `/${name}/${key}`, query: { versionId } })
    }
    if (entries.length === 0) break
  }
  await succeed(server, { method: 'DELETE', path: `/${name}` })
}
