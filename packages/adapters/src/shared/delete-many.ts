import { type DeleteManyResult, StowageError } from '@stowage/core'
import pLimit from 'p-limit'
import { assertKey, type Called } from './calls.ts'

/** Keys of one request, the same with S3 and OSS. */
const batchSize = 1000
const singleConcurrency = 16

/** Keys that XML or a parser's trimming would change on the way: they are deleted one by one. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const unfitForXml = /[\u0000-\u001f\u007f\ufffe\uffff]|^\s|\s$/

/** How a store deletes. */
export interface Deleting {
  readonly one: (key: string) => Promise<void>
  /** Deletes keys in one request and says which are gone, and which are not and why. Left out where there is no such request. */
  readonly batch?: (keys: readonly string[]) => Promise<DeleteManyResult>
}

/** Deletes many keys, and tells of each what became of it. */
export async function deleteMany(
  adapter: Called,
  keys: readonly string[],
  { one, batch }: Deleting,
): Promise<DeleteManyResult> {
  const result: DeleteManyResult = { deleted: [], failed: [] }
  const single: string[] = []
  const batched: string[] = []
  for (const key of new Set(keys)) {
    try {
      assertKey(adapter, key)
    } catch (error) {
      result.failed.push({ key, error: error as StowageError })
      continue
    }
    if (batch === undefined || unfitForXml.test(key)) single.push(key)
    else batched.push(key)
  }
  await pLimit(singleConcurrency).map(single, async (key) => {
    try {
      await one(key)
      result.deleted.push(key)
    } catch (error) {
      result.failed.push({ key, error: error as StowageError })
    }
  })
  for (let at = 0; batch !== undefined && at < batched.length; at += batchSize) {
    await deleteBatch(adapter, batched.slice(at, at + batchSize), batch, result)
  }
  return result
}

async function deleteBatch(
  adapter: Called,
  keys: readonly string[],
  batch: NonNullable<Deleting['batch']>,
  result: DeleteManyResult,
): Promise<void> {
  const left = new Set(keys)
  try {
    const { deleted, failed } = await batch(keys)
    for (const key of deleted) if (left.delete(key)) result.deleted.push(key)
    for (const failure of failed) if (left.delete(failure.key)) result.failed.push(failure)
  } catch (error) {
    for (const key of left) result.failed.push({ key, error: error as StowageError })
    return
  }
  // What the answer does not name may or may not be gone: said as it is.
  for (const key of left) {
    const message = `${adapter.id}: the store did not say whether ${JSON.stringify(key)} was deleted.`
    result.failed.push({ key, error: new StowageError('unavailable', message, { key, sourceId: adapter.id }) })
  }
}
