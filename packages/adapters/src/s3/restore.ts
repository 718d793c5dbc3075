import { hasCode, type RestoreOptions, StowageError } from '@stowage/core'
import { assertRestore } from '../shared/index.ts'
import { headObject, type S3Context } from './objects.ts'

const tiers = { standard: 'Standard', expedited: 'Expedited', bulk: 'Bulk' } as const

/**
 * Asks for an archived object to be brought back. One that is being brought back already needs no more.
 * @throws StowageError `invalid-request` for days that are none, `not-found`
 */
export async function restoreObject(context: S3Context, key: string, options: RestoreOptions): Promise<void> {
  const { adapter, connection } = context
  const { days, tier, signal } = options
  assertRestore(adapter, key, options)
  // What intelligent tiering brings back stays: there a request that names days is refused.
  const stays = (await headObject(context, key, { ...(signal === undefined ? {} : { signal }) })).storageClass
  const request = {
    ...(stays === 'INTELLIGENT_TIERING' ? {} : { Days: days }),
    GlacierJobParameters: { Tier: tiers[tier ?? 'standard'] },
  }
  try {
    await connection.send({ key, signal }, ({ sdk, client, http }) =>
      client.send(new sdk.RestoreObjectCommand({ Bucket: connection.bucket, Key: key, RestoreRequest: request }), http),
    )
  } catch (error) {
    if (!hasCode(error, 'conflict') || !isUnderWay(error)) throw error
  }
}

function isUnderWay(error: unknown): boolean {
  return StowageError.isInstance(error) && error.message.includes('being restored already')
}
