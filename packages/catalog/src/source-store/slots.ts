import type { CredentialSlot, Sealed } from '@stowage/core'
import type { Context } from '../database/index.ts'
import { fromSealed } from './rows.ts'

/** Replaces the credentials of a slot, or clears them. */
export async function putCredentials(
  { db }: Pick<Context, 'db'>,
  sourceId: Uint8Array,
  slot: CredentialSlot,
  sealed: Sealed | null,
): Promise<void> {
  await db.deleteFrom('source_credentials').where('source_id', '=', sourceId).where('slot', '=', slot).execute()
  if (sealed !== null)
    await db
      .insertInto('source_credentials')
      .values(fromSealed(sourceId, slot, sealed))
      .execute()
}
