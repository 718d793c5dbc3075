import type { OutboxEntry } from '@stowage/core'
import { type Context, inTransaction } from '../database/index.ts'
import { toOutboxEntry } from './rows.ts'

export async function takeOutbox(context: Context, limit: number, holdMs: number): Promise<OutboxEntry[]> {
  return inTransaction(context, async ({ db, dialect, clock }) => {
    const now = clock.now()
    let query = db
      .selectFrom('outbox')
      .select('id')
      .where('held_until', '<=', now)
      .orderBy('id')
      .limit(Math.max(0, limit))
    // Those that another process is taking just now are not waited for.
    if (dialect.rowLocks) query = query.forUpdate().skipLocked()
    const ids = (await query.execute()).map((row) => row.id)
    if (ids.length === 0) return []
    const rows = await db
      .updateTable('outbox')
      .set((eb) => ({ held_until: now + holdMs, attempts: eb('attempts', '+', 1) }))
      .where('id', 'in', ids)
      .returningAll()
      .execute()
    return rows.map(toOutboxEntry).sort((a, b) => a.id - b.id)
  })
}

export async function outboxHeldFor({ db, clock }: Context): Promise<number | undefined> {
  const now = clock.now()
  const { until } = await db
    .selectFrom('outbox')
    .select((eb) => eb.fn.min('held_until').as('until'))
    .where('held_until', '>', now)
    .executeTakeFirstOrThrow()
  return until === null ? undefined : Number(until) - now
}

export async function extendOutbox(
  { db, clock }: Context,
  { id, attempts }: Pick<OutboxEntry, 'id' | 'attempts'>,
  holdMs: number,
): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable('outbox')
    .set({ held_until: clock.now() + holdMs })
    .where('id', '=', id)
    .where('attempts', '=', attempts)
    .where('held_until', '>', 0)
    .executeTakeFirstOrThrow()
  return numUpdatedRows === 1n
}

export async function releaseOutbox(
  { db }: Context,
  { id, attempts }: Pick<OutboxEntry, 'id' | 'attempts'>,
): Promise<void> {
  // The attempts tell one holder from the next.
  await db.updateTable('outbox').set({ held_until: 0 }).where('id', '=', id).where('attempts', '=', attempts).execute()
}

export async function finishOutbox({ db }: Context, id: number): Promise<void> {
  await db.deleteFrom('outbox').where('id', '=', id).execute()
}
