import { StowageError } from '@stowage/core'
import { type Context, inTransaction, nextCount } from '../database/index.ts'
import { CHANGES, current, find } from './sources.ts'

export async function remove(context: Context, id: string, expected?: string): Promise<void> {
  await inTransaction(context, async (inner) => {
    const row = expected === undefined ? await find(inner, id, true) : await currentUnlessGone(inner, id, expected)
    // Gone already: an earlier call did it and its answer was lost.
    if (row === undefined) return
    await refuseHeld(inner, id, row.id)
    const change = await nextCount(inner.db, CHANGES)
    await inner.db.deleteFrom('source_credentials').where('source_id', '=', row.id).execute()
    await inner.db.deleteFrom('sources').where('id', '=', row.id).execute()
    await inner.db
      .insertInto('removed_sources')
      .values({ id: row.id, change })
      .onConflict((conflict) => conflict.column('id').doUpdateSet({ change }))
      .execute()
  })
}

async function currentUnlessGone(context: Context, id: string, expected: string): ReturnType<typeof find> {
  return (await find(context, id)) === undefined ? undefined : current(context, id, expected)
}

/** What refers to a source would point nowhere without it, and its bytes could be found no more. */
async function refuseHeld({ db }: Context, id: string, key: Uint8Array): Promise<void> {
  const replicas = await db
    .selectFrom('replicas')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('source_id', '=', key)
    .executeTakeFirstOrThrow()
  const drafts = await db
    .selectFrom('drafts')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('source_id', '=', key)
    .where('status', '=', 'open')
    .executeTakeFirstOrThrow()
  const held = [
    ...(Number(replicas.count) > 0 ? [`${replicas.count} replicas lie on it`] : []),
    ...(Number(drafts.count) > 0 ? [`${drafts.count} uploads to it are open`] : []),
  ]
  if (held.length === 0) return
  throw new StowageError('unsafe', `The source "${id}" is kept: ${held.join(' and ')}.`, {
    sourceId: id,
    hint: 'Disable it, move its replicas to another source and finish or discard its uploads first.',
  })
}
