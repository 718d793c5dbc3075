import { hasCode, type PutOptions, readAll, type StorageAdapter } from '@stowage/core'

/** Manifest objects, markers and version records are far below this. */
const SMALL_OBJECT = 64 * 1024 * 1024

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

/** Writes an object whose key says its content (or that is the same for everybody), so one that is there already is fine. */
export async function writeOnce(
  adapter: StorageAdapter,
  key: string,
  bytes: Uint8Array,
  options: PutOptions = {},
): Promise<void> {
  const createOnly = adapter.capabilities.conditional.putCreateOnly
  try {
    await adapter.put(key, bytes, createOnly ? { ...options, ifNoneMatch: '*' } : options)
  } catch (error) {
    if (!hasCode(error, 'precondition-failed')) throw error
  }
}
