import { hash, randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { minio } from '@stowage/adapters/minio'
import type { StorageAdapter } from '@stowage/core'
import type { TestServer } from '@stowage/test-support'

const KIB = 1024
const MIB = 1024 * KIB

/** Parts that the large object is uploaded in. */
const partSize = 16 * MIB

/** What is to be copied. */
export interface Shape {
  /** As it is asked for. */
  name: string
  /** As it is told. */
  title: string
  files: readonly { count: number; bytes: number }[]
  /** Whether the files lie in a folder. */
  isFolder?: boolean
  /** Whether they are in the target already. */
  isThere?: boolean
  /** Milliseconds that each round trip to each server takes more. */
  far?: number
}

/** The shapes of the race. @param quick a size that only shows that it runs */
export function shapes(quick: boolean): Shape[] {
  const n = (count: number, small: number): number => (quick ? small : count)
  const large = [{ count: 1, bytes: n(1024, 64) * MIB }]
  const folder = [
    { count: n(32, 2), bytes: 16 * MIB },
    { count: n(2_000, 200), bytes: 4 * KIB },
  ]
  const [medium, small, many, few] = [n(64, 4), n(10_000, 500), n(100_000, 2_000), n(3_000, 300)]
  return [
    { name: 'large', title: `one object of ${n(1024, 64)} MiB`, files: large },
    { name: 'medium', title: `${medium} x 16 MiB`, files: [{ count: medium, bytes: 16 * MIB }] },
    { name: 'small', title: `${small} x 4 KiB`, files: [{ count: small, bytes: 4 * KIB }] },
    { name: 'no-change', title: `nothing to do for ${many}`, files: [{ count: many, bytes: 64 }], isThere: true },
    {
      name: 'folder',
      title: `a folder of ${n(32, 2)} x 16 MiB and ${n(2_000, 200)} x 4 KiB`,
      files: folder,
      isFolder: true,
    },
    { name: 'far-small', title: `50 ms away: ${few} x 4 KiB`, files: [{ count: few, bytes: 4 * KIB }], far: 50 },
    { name: 'far-large', title: `50 ms away: one object of ${n(1024, 64)} MiB`, files: large, far: 50 },
  ]
}

/** How many objects a shape has, and bytes. */
export function sizeOf({ files }: Shape): { objects: number; bytes: number } {
  return {
    objects: files.reduce((sum, { count }) => sum + count, 0),
    bytes: files.reduce((sum, { count, bytes }) => sum + count * bytes, 0),
  }
}

function* namesOf({ files }: Shape): Generator<{ name: string; bytes: number }> {
  for (const { count, bytes } of files) {
    for (let i = 0; i < count; i++) {
      yield { name: `set-${bytes}/${String(i % 20).padStart(2, '0')}/${String(i).padStart(6, '0')}.bin`, bytes }
    }
  }
}

/** Bytes that no two objects share. */
const chance = randomBytes(partSize)
let stamp = 0

function bytesOf(length: number): Buffer {
  const bytes = Buffer.from(chance.subarray(0, length))
  bytes.writeUInt32BE(stamp++)
  return bytes
}

/** Puts a shape into a bucket. No checksums are stored beside the objects: most buckets have none. */
export async function fillBucket(server: TestServer, bucket: string, shape: Shape): Promise<void> {
  const { endpoint, accessKey, secretKey } = server
  const store = minio({ id: 'fill', endpoint, bucket, accessKey, secretKey })
  const names = namesOf(shape)
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      for (const { name, bytes } of names) {
        if (bytes > partSize) await putInParts(store, name, bytes)
        else await putWhole(store, name, bytesOf(bytes))
      }
    }),
  )
  await store.close()
}

/** With an MD5: another checksum would stay with the object. */
async function putWhole(store: StorageAdapter, key: string, bytes: Buffer): Promise<void> {
  await store.put(key, bytes, { checksum: { algorithm: 'md5', value: hash('md5', bytes, 'base64') } })
}

async function putInParts(store: StorageAdapter, key: string, bytes: number): Promise<void> {
  const { uploadId } = await store.multipart.create(key)
  const parts = []
  for (let number = 1; number <= bytes / partSize; number++) {
    parts.push(await store.multipart.uploadPart(key, uploadId, number, bytesOf(partSize)))
  }
  await store.multipart.complete(key, uploadId, parts)
}

export async function fillFolder(folder: string, shape: Shape): Promise<void> {
  for (const { name, bytes } of namesOf(shape)) {
    const path = join(folder, name)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, bytesOf(bytes))
  }
}

/** What a bucket holds. */
export async function countBucket(server: TestServer, bucket: string): Promise<{ objects: number; bytes: number }> {
  const { endpoint, accessKey, secretKey } = server
  const store = minio({ id: 'count', endpoint, bucket, accessKey, secretKey })
  const found = { objects: 0, bytes: 0 }
  for await (const page of store.list()) {
    found.objects += page.objects.length
    found.bytes += page.objects.reduce((sum, { size }) => sum + size, 0)
  }
  await store.close()
  return found
}
