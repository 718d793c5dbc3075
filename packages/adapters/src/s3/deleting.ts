import { type CallOptions, type DeleteManyResult, type DeleteOptions, hasCode, StowageError } from '@stowage/core'
import { assertSupported, deleteMany, quote } from '../shared/index.ts'
import type { S3Context } from './objects.ts'

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
  const { adapter, connection, dialect } = context
  connection.begin(options.signal)
  const result = await deleteMany(adapter, keys, {
    one: (key) => deleteObject(context, key, options),
    ...(dialect.deletesMany ? { batch: (some) => deleteBatch(context, some, options) } : {}),
  })
  connection.begin(options.signal)
  return result
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html */
async function deleteBatch(
  { connection }: S3Context,
  keys: readonly string[],
  options: CallOptions,
): Promise<DeleteManyResult> {
  const result: DeleteManyResult = { deleted: [], failed: [] }
  const answer = await connection.send({ signal: options.signal }, ({ sdk, client, http }) =>
    client.send(
      new sdk.DeleteObjectsCommand({ Bucket: connection.bucket, Delete: { Objects: keys.map((Key) => ({ Key })) } }),
      http,
    ),
  )
  for (const { Key } of answer.Deleted ?? []) if (Key !== undefined) result.deleted.push(Key)
  for (const { Key, Code, Message } of answer.Errors ?? []) {
    if (Key === undefined) continue
    if (Code === 'NoSuchKey') result.deleted.push(Key)
    else result.failed.push({ key: Key, error: connection.mapError({ name: Code, message: Message }, Key) })
  }
  return result
}
