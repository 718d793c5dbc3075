import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { Checksum, ListedObject, ListOptions, ListPage, StorageAdapter } from '@stowage/core'

/** Bytes that repeat nowhere within a chunk: a misplaced range shows. The same seed gives the same bytes. */
export function patternBytes(size: number, seed = 1): Uint8Array {
  const bytes = Buffer.allocUnsafe(size)
  let state = seed >>> 0 || 1
  for (let i = 0; i < size; i++) {
    // xorshift32
    state ^= state << 13
    state >>>= 0
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    bytes[i] = state & 0xff
  }
  return bytes
}

/** Text as bytes. */
export function text(value: string): Uint8Array {
  return Buffer.from(value, 'utf8')
}

/** A stream of these bytes in chunks. `onRead` is told when somebody begins to read. */
export async function* streamOf(bytes: Uint8Array, chunkSize = 65536, onRead?: () => void): AsyncGenerator<Uint8Array> {
  onRead?.()
  for (let at = 0; at < bytes.length; at += chunkSize) yield bytes.subarray(at, at + chunkSize)
}

export function crc32Of(bytes: Uint8Array): Checksum {
  const value = Buffer.alloc(4)
  value.writeUInt32BE(crc32(bytes))
  return { algorithm: 'crc32', value: value.toString('base64') }
}

export function sha256Of(bytes: Uint8Array): Checksum {
  return { algorithm: 'sha256', value: createHash('sha256').update(bytes).digest('base64') }
}

/** All bytes of an object, or of a range of it. */
export async function readBytes(
  adapter: StorageAdapter,
  key: string,
  range?: { start: number; length?: number },
): Promise<Buffer> {
  const { body } = await adapter.get(key, range === undefined ? {} : { range })
  return Buffer.concat(await body.toArray())
}

/** All pages of a listing. */
export async function pagesOf(adapter: StorageAdapter, options: ListOptions): Promise<ListPage[]> {
  const pages: ListPage[] = []
  for await (const page of adapter.list(options)) pages.push(page)
  return pages
}

/** All rows of a listing. */
export async function rowsOf(adapter: StorageAdapter, options: ListOptions): Promise<ListedObject[]> {
  return (await pagesOf(adapter, options)).flatMap((page) => page.objects)
}

/** All keys of a listing, in the order they came. */
export async function keysOf(adapter: StorageAdapter, options: ListOptions): Promise<string[]> {
  return (await rowsOf(adapter, options)).map((row) => row.key)
}

/** Puts an object of a few bytes under each key, some at a time. */
export async function putAll(adapter: StorageAdapter, keys: readonly string[]): Promise<void> {
  const left = [...keys]
  const work = async (): Promise<void> => {
    for (let key = left.pop(); key !== undefined; key = left.pop()) await adapter.put(key, text(key))
  }
  await Promise.all(Array.from({ length: 32 }, work))
}

/** Whether an object is there. */
export async function exists(adapter: StorageAdapter, key: string): Promise<boolean> {
  return (await keysOf(adapter, { prefix: key })).includes(key)
}
