import { type CallOptions, type DeleteManyResult, type DeleteOptions, hasCode, StowageError } from '@stowage/core'
import pLimit from 'p-limit'
import { assertKey, assertSupported } from '../shared/index.ts'
import { quote } from './headers.ts'
import type { S3Context } from './objects.ts'

/** Keys of one request: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html */
const batchSize = 1000
const singleConcurrency = 16

/** Keys that XML or a parser's trimming would change on the way: they are deleted one by one. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const unfitForXml = /[\u0000-\u001f\u007f\ufffe\uffff]|^\s|\s$/

export async function deleteObject(
  { adapter, connection }: S3Context,
  key: string,
  options: DeleteOptions,
): Promise<void> {
  const { ifMatch, versionId, signal } = options
  assertSupported(
    adapter,
    ifMatch === undefined || adapter.capabilities.conditional.deleteIfMatch,
    'delete with ifMatch',
  )
  try {
    await connection.send({ key, signal, repeatable: ifMatch === undefined }, ({ sdk, client, http }) =>
      client.send(
        new sdk.DeleteObjectCommand({
          Bucket: connection.bucket,
          Key: key,
          ...(ifMatch === undefined ? {} : { IfMatch: quote(ifMatch) }),
          ...(versionId === undefined ? {} : { VersionId: versionId }),
        }),
        http,
      ),
    )
  } catch (error) {
    if (!hasCode(error, 'not-found')) throw error
    if (ifMatch !== undefined) {
      throw new StowageError('precondition-failed', `${adapter.id}: ${JSON.stringify(key)} does not exist.`, {
        key,
        cause: error,
      })
    }
  }
}

export async function deleteObjects(
  context: S3Context,
  keys: readonly string[],
  options: CallOptions,
): Promise<DeleteManyResult> {
  context.connection.begin(options.signal)
  const result: DeleteManyResult = { deleted: [], failed: [] }
  const single: string[] = []
  const batched: string[] = []
  for (const key of new Set(keys)) {
    try {
      assertKey(context.adapter, key)
    } catch (error) {
      result.failed.push({ key, error: error as StowageError })
      continue
    }
    if (unfitForXml.test(key)) single.push(key)
    else batched.push(key)
  }
  await pLimit(singleConcurrency).map(single, async (key) => {
    try {
      await deleteObject(context, key, options)
      result.deleted.push(key)
    } catch (error) {
      result.failed.push({ key, error: error as StowageError })
    }
  })
  for (let at = 0; at < batched.length; at += batchSize) {
    await deleteBatch(context, batched.slice(at, at + batchSize), options, result)
  }
  context.connection.begin(options.signal)
  return result
}

async function deleteBatch(
  { adapter, connection }: S3Context,
  keys: readonly string[],
  options: CallOptions,
  result: DeleteManyResult,
): Promise<void> {
  const left = new Set(keys)
  try {
    const answer = await connection.send({ signal: options.signal }, ({ sdk, client, http }) =>
      client.send(
        new sdk.DeleteObjectsCommand({ Bucket: connection.bucket, Delete: { Objects: keys.map((Key) => ({ Key })) } }),
        http,
      ),
    )
    for (const { Key } of answer.Deleted ?? []) {
      if (Key !== undefined && left.delete(Key)) result.deleted.push(Key)
    }
    for (const { Key, Code, Message } of answer.Errors ?? []) {
      if (Key === undefined || !left.delete(Key)) continue
      if (Code === 'NoSuchKey') result.deleted.push(Key)
      else result.failed.push({ key: Key, error: connection.mapError({ name: Code, message: Message }, Key) })
    }
  } catch (error) {
    for (const key of left) result.failed.push({ key, error: error as StowageError })
    return
  }
  // What the answer does not name may or may not be gone: said as it is.
  for (const key of left) {
    const error = new StowageError(
      'unavailable',
      `${adapter.id}: the store did not say whether ${JSON.stringify(key)} was deleted.`,
      {
        key,
        sourceId: adapter.id,
      },
    )
    result.failed.push({ key, error })
  }
}
