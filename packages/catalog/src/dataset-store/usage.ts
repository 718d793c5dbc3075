import type { ReplicaName, SourceUsage } from '@stowage/core'
import { sql } from 'kysely'
import { type Context, toBytes } from '../database/index.ts'

/**
 * Bytes by source. Later versions keep files of earlier drafts or drop them, and never bring new files into them: so of one draft, the version at
 * a place that has most of it has all that others there have.
 */
export async function usageOf({ db }: Context, sourceId: string): Promise<SourceUsage> {
  const id = toBytes(sourceId, 'sourceId')
  // Of versions from before parts were noted, each counts by itself.
  const places = db
    .selectFrom('replicas as r')
    .leftJoin('version_parts as p', (join) =>
      join.onRef('p.dataset_id', '=', 'r.dataset_id').onRef('p.version', '=', 'r.version'),
    )
    .select([
      sql<number>`max(coalesce(p.size, r.size))`.as('most'),
      sql<number>`max(case when r.status = 'deleting' then 0 else coalesce(p.size, r.size) end)`.as('stays'),
    ])
    .where('r.source_id', '=', id)
    .groupBy(['r.dataset_id', 'r.path', 'p.draft', sql`case when p.draft is null then r.version else 0 end`])
  const placed = await db
    .selectFrom(places.as('places'))
    .select((eb) => [eb.fn.sum<number | null>('most').as('bytes'), eb.fn.sum<number | null>('stays').as('staying')])
    .executeTakeFirstOrThrow()
  const { count } = await db
    .selectFrom('replicas')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('source_id', '=', id)
    .where('status', '!=', 'deleting')
    .executeTakeFirstOrThrow()
  const uploads = await db
    .selectFrom('drafts')
    .innerJoin('draft_files', 'draft_files.draft_id', 'drafts.id')
    .select((eb) => eb.fn.sum<number | null>('draft_files.size').as('size'))
    .where('drafts.source_id', '=', id)
    .where('drafts.status', '=', 'open')
    .executeTakeFirstOrThrow()
  const bytes = Number(placed.bytes ?? 0)
  return {
    sourceId,
    bytes: bytes + Number(uploads.size ?? 0),
    leaving: bytes - Number(placed.staying ?? 0),
    replicas: Number(count),
  }
}

export async function freedBy({ db }: Context, replica: ReplicaName): Promise<number> {
  const rows = await db
    .selectFrom('replicas as own')
    .innerJoin('replicas as r', (join) =>
      join
        .onRef('r.dataset_id', '=', 'own.dataset_id')
        .onRef('r.source_id', '=', 'own.source_id')
        .onRef('r.path', '=', 'own.path'),
    )
    .leftJoin('version_parts as p', (join) =>
      join.onRef('p.dataset_id', '=', 'r.dataset_id').onRef('p.version', '=', 'r.version'),
    )
    .select(['r.version', 'r.status', 'r.size as all', 'p.draft', 'p.size'])
    .where('own.dataset_id', '=', toBytes(replica.datasetId, 'datasetId'))
    .where('own.version', '=', replica.version)
    .where('own.source_id', '=', toBytes(replica.sourceId, 'sourceId'))
    .execute()
  const kept = new Map<string, number>()
  for (const row of rows) {
    if (row.version === replica.version || row.status === 'deleting' || row.draft === null) continue
    const draft = Buffer.from(row.draft).toString('hex')
    kept.set(draft, Math.max(kept.get(draft) ?? 0, row.size ?? 0))
  }
  let freed = 0
  for (const row of rows) {
    if (row.version !== replica.version) continue
    const stays = row.draft === null ? 0 : (kept.get(Buffer.from(row.draft).toString('hex')) ?? 0)
    freed += Math.max(0, (row.size ?? row.all) - stays)
  }
  return freed
}
