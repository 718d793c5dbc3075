import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { crc32 } from 'node:zlib'
import type { StorageAdapter } from '@stowage/core'

/** One way of speaking to the empty store. */
export interface WireClient {
  put(key: string, bytes: Buffer): Promise<void>
  /** Reads an object to its end, its CRC32 checked; the number of its bytes. */
  get(key: string): Promise<number>
  /** Reads an object of this size and writes it under another key, streaming. */
  copy?(from: string, to: string, size: number): Promise<void>
  /** The number of keys with this prefix. */
  list?(prefix: string): Promise<number>
}

const bucket = 'bucket'
const keys = { accessKey: 'key', secretKey: 'secret' }

function sumOf(value: number): string {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt32BE(value)
  return bytes.toString('base64')
}

/** Reads a body and holds it against the checksum that the store told. */
async function drained(body: AsyncIterable<Uint8Array>, expected: string | undefined): Promise<number> {
  let crc = 0
  let size = 0
  for await (const chunk of body) {
    crc = crc32(chunk, crc)
    size += chunk.length
  }
  if (sumOf(crc) !== expected) throw new Error('the bytes do not have the checksum')
  return size
}

async function pagesOf(adapter: StorageAdapter, prefix: string): Promise<number> {
  let count = 0
  for await (const page of adapter.list({ prefix })) count += page.objects.length
  return count
}

async function stowage(endpoint: string, dataPath: 'lean' | 'sdk'): Promise<WireClient> {
  const { minio } = await import('@stowage/adapters/minio')
  const adapter = minio({ id: 'bench', endpoint, bucket, ...keys, dataPath })
  return {
    put: async (key, bytes) => void (await adapter.put(key, bytes)),
    get: async (key) => {
      let size = 0
      // The adapter itself holds the bytes against the store's CRC32.
      for await (const chunk of (await adapter.get(key)).body) size += chunk.length
      return size
    },
    copy: async (from, to, size) => {
      await adapter.put(to, (await adapter.get(from)).body, { size })
    },
    list: (prefix) => pagesOf(adapter, prefix),
  }
}

/**
 * The SDK as it comes computes a CRC32 and, over plain HTTP, the payload's SHA-256 of everything it sends. With equal checksums it is given
 * the CRC32 of what lies in memory, signs without the payload and announces nothing for a stream, as Stowage does.
 */
async function aws(endpoint: string, equal: boolean): Promise<WireClient> {
  const { GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } = await import('@aws-sdk/client-s3')
  const client = new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: keys.accessKey, secretAccessKey: keys.secretKey },
    ...(equal ? { requestChecksumCalculation: 'WHEN_REQUIRED' } : {}),
  })
  if (equal) {
    client.middlewareStack.add(
      (next) => (args) => {
        const { headers, body } = args.request as { headers: Record<string, string>; body?: unknown }
        if (body instanceof Uint8Array) headers['x-amz-content-sha256'] = 'UNSIGNED-PAYLOAD'
        return next(args)
      },
      { step: 'build', name: 'unsigned' },
    )
  }
  return {
    put: async (Key, Body) => {
      await client.send(
        new PutObjectCommand({ Bucket: bucket, Key, Body, ...(equal ? { ChecksumCRC32: sumOf(crc32(Body)) } : {}) }),
      )
    },
    get: async (Key) => {
      const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key, ChecksumMode: 'ENABLED' }))
      let size = 0
      for await (const chunk of Body as Readable) size += (chunk as Buffer).length
      return size
    },
    copy: async (from, Key, ContentLength) => {
      const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: from, ChecksumMode: 'ENABLED' }))
      const put = { Bucket: bucket, Key, Body: Body as Readable, ContentLength }
      await client.send(new PutObjectCommand(put))
    },
    list: async (Prefix) => {
      let count = 0
      let token: string | undefined
      do {
        const page = await client.send(
          new ListObjectsV2Command({
            Bucket: bucket,
            Prefix,
            EncodingType: 'url',
            ...(token === undefined ? {} : { ContinuationToken: token }),
          }),
        )
        count += page.Contents?.length ?? 0
        token = page.NextContinuationToken
      } while (token !== undefined)
      return count
    },
  }
}

async function minioClient(endpoint: string): Promise<WireClient> {
  const { Client } = await import('minio')
  const { hostname, port } = new URL(endpoint)
  const at = { endPoint: hostname, port: Number(port), useSSL: false, region: 'us-east-1' }
  const client = new Client({ ...at, ...keys })
  return {
    put: async (key, bytes) => {
      await client.putObject(bucket, key, bytes, bytes.length, { 'x-amz-checksum-crc32': sumOf(crc32(bytes)) })
    },
    get: async (key) => {
      const stream = (await client.getObject(bucket, key)) as Readable & { headers?: Record<string, string> }
      return drained(stream, stream.headers?.['x-amz-checksum-crc32'])
    },
  }
}

/** At a domain of the bucket's own. The store tells CRC64 sums, which Stowage checks both ways; `ali-oss` looks at none. */
async function stowageOss(endpoint: string): Promise<WireClient> {
  const { oss } = await import('@stowage/adapters/oss')
  const adapter = oss({ id: 'bench', endpoint, cname: true, region: 'cn-hangzhou', bucket, ...keys })
  return {
    put: async (key, bytes) => void (await adapter.put(key, bytes)),
    get: async (key) => {
      let size = 0
      for await (const chunk of (await adapter.get(key)).body) size += chunk.length
      return size
    },
  }
}

async function aliOss(endpoint: string): Promise<WireClient> {
  const { default: AliOss } = await import('ali-oss')
  const named = { accessKeyId: keys.accessKey, accessKeySecret: keys.secretKey, region: 'oss-cn-hangzhou' }
  const client = new AliOss({ ...named, bucket, endpoint, cname: true, authorizationV4: true, amendTimeSkewed: 0 })
  return {
    put: async (key, bytes) => void (await client.put(key, bytes)),
    get: async (key) => ((await client.get(key)).content as Buffer).length,
  }
}

async function bareUndici(endpoint: string): Promise<WireClient> {
  const { request } = await import('undici')
  return {
    put: async (key, body) => {
      const headers = { 'x-amz-checksum-crc32': sumOf(crc32(body)) }
      const answer = await request(`${endpoint}/${bucket}/${key}`, { method: 'PUT', body, headers })
      await answer.body.dump()
    },
    get: async (key) => {
      const answer = await request(`${endpoint}/${bucket}/${key}`)
      return drained(answer.body, answer.headers['x-amz-checksum-crc32'] as string | undefined)
    },
    copy: async (from, to, size) => {
      const { body, headers } = await request(`${endpoint}/${bucket}/${from}`)
      const checked = Readable.from(checkedChunks(body, headers['x-amz-checksum-crc32'] as string | undefined), {
        objectMode: false,
      })
      const put = { method: 'PUT', body: checked, headers: { 'content-length': String(size) } } as const
      await (await request(`${endpoint}/${bucket}/${to}`, put)).body.dump()
    },
  }
}

/** Hands a body on, and fails when it does not have the checksum that the store told. */
async function* checkedChunks(
  body: AsyncIterable<Uint8Array>,
  expected: string | undefined,
): AsyncGenerator<Uint8Array> {
  let crc = 0
  for await (const chunk of body) {
    crc = crc32(chunk, crc)
    yield chunk
  }
  if (sumOf(crc) !== expected) throw new Error('the bytes do not have the checksum')
}

/** By name; each loads only what it needs itself, and is asked in turn with the others. */
export const wireClients: Readonly<Record<string, (endpoint: string) => Promise<WireClient>>> = {
  stowage: (endpoint) => stowage(endpoint, 'lean'),
  'aws-sdk': (endpoint) => aws(endpoint, true),
  'aws-sdk (as it comes)': (endpoint) => aws(endpoint, false),
  minio: minioClient,
  undici: bareUndici,
  'stowage (oss)': stowageOss,
  'ali-oss': aliOss,
  'stowage (sdk path)': (endpoint) => stowage(endpoint, 'sdk'),
}

/** The name of a key whose object has this many bytes. */
export function keyOf(size: number): string {
  return `${createHash('md5').update(String(size)).digest('hex').slice(0, 8)}-${size}`
}
