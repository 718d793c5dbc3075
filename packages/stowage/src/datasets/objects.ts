import { crc32 } from 'node:zlib'
import { type Checksum, hasCode, type PutOptions, readAll, type StorageAdapter } from '@stowage/core'

/** Manifest objects, markers and version records are far below this. */
export const SMALL_OBJECT: number = 64 * 1024 * 1024

/** Reads a small object whole. */
export async function readSmall(adapter: StorageAdapter, key: string, signal?: AbortSignal): Promise<Uint8Array> {
  const { body } = await adapter.get(key, signal === undefined ? {} : { signal })
  return readAll(body, SMALL_OBJECT)
}

/** Reads a small object, or gives `undefined` when it does not exist. */
export async function readSmallIfThere(
  adapter: StorageAdapter,
  key: string,
  signal?: AbortSignal,
): Promise<Uint8Array | undefined> {
  try {
    return await readSmall(adapter, key, signal)
  } catch (error) {
    if (hasCode(error, 'not-found')) return undefined
    throw error
  }
}

/** Writes an object that is the same for everybody, so one that is there already is fine. Returns whether it was written. */
export async function writeOnce(
  adapter: StorageAdapter,
  key: string,
  bytes: Uint8Array,
  options: PutOptions = {},
): Promise<boolean> {
  const createOnly = adapter.capabilities.conditional.putCreateOnly
  try {
    await adapter.put(key, bytes, {
      ...options,
      ...checksumOf(adapter, bytes),
      ...(createOnly ? { ifNoneMatch: '*' as const } : {}),
    })
    return true
  } catch (error) {
    if (hasCode(error, 'precondition-failed')) return false
    throw error
  }
}

/**
 * Writes an object whose key names its content by a digest. One that is there already is read and checked, and replaced when it is damaged.
 * @param check throws `integrity` for bytes that are not what the key says
 */
export async function writeNamed(
  adapter: StorageAdapter,
  key: string,
  bytes: Uint8Array,
  options: PutOptions & { check: (there: Uint8Array) => unknown },
): Promise<void> {
  const { check, ...put } = options
  if (await writeOnce(adapter, key, bytes, put)) return
  try {
    await check(await readSmall(adapter, key, put.signal))
  } catch (error) {
    if (!hasCode(error, 'integrity', 'not-found')) throw error
    await adapter.put(key, bytes, { ...put, ...checksumOf(adapter, bytes) })
  }
}

/** The checksum to send with a request, where the store verifies one that is cheap to compute. */
export function checksumOf(adapter: StorageAdapter, bytes: Uint8Array): { checksum?: Checksum } {
  if (!adapter.capabilities.checksums.includes('crc32')) return {}
  const value = Buffer.alloc(4)
  value.writeUInt32BE(crc32(bytes))
  return { checksum: { algorithm: 'crc32', value: value.toString('base64') } }
}

/** Whether there is an object of this key. */
export async function exists(adapter: StorageAdapter, key: string, signal?: AbortSignal): Promise<boolean> {
  try {
    await adapter.head(key, signal === undefined ? {} : { signal })
    return true
  } catch (error) {
    if (hasCode(error, 'not-found')) return false
    throw error
  }
}
