import type { CredentialSlot, Sealed, SourceType, StoredSource } from '@stowage/core'
import type { Insertable, Selectable, SelectQueryBuilder } from 'kysely'
import {
  type CatalogSchema,
  type Context,
  fromBytes,
  parseObject,
  type SourceCredentialTable,
  type SourceTable,
} from '../database/index.ts'

/** A row of `sources` with which credentials it has. */
export type SourceRow = Selectable<SourceTable> & { current_slot: string | null; next_slot: string | null }

/** Sources as rows, each with which credentials it has: in one statement, so that both are of one moment. */
export function selectSources({ db }: Pick<Context, 'db'>): SelectQueryBuilder<CatalogSchema, 'sources', SourceRow> {
  return db
    .selectFrom('sources')
    .selectAll('sources')
    .select((eb) => {
      const slot = (name: CredentialSlot) =>
        eb
          .selectFrom('source_credentials')
          .select('source_credentials.slot')
          .whereRef('source_credentials.source_id', '=', 'sources.id')
          .where('source_credentials.slot', '=', name)
      return [slot('current').as('current_slot'), slot('next').as('next_slot')]
    })
}

export function toSource(row: SourceRow): StoredSource {
  return {
    id: fromBytes(row.id),
    name: fromBytes(row.name),
    type: row.type as SourceType,
    ...(row.endpoint === null ? {} : { endpoint: row.endpoint }),
    ...(row.bucket === null ? {} : { bucket: fromBytes(row.bucket) }),
    ...(row.region === null ? {} : { region: row.region }),
    isPublic: row.is_public === 1,
    priority: row.priority,
    weight: row.weight,
    enabled: row.enabled === 1,
    options: parseObject(row.options, 'sources.options'),
    ...(row.last_health_check_at === null ? {} : { lastHealthCheckAt: row.last_health_check_at }),
    hasCredentials: row.current_slot !== null,
    hasNextCredentials: row.next_slot !== null,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    revision: String(row.change),
  }
}

export function toSealed(row: Selectable<SourceCredentialTable>): Sealed {
  return {
    dataKey: row.data_key,
    fields: {
      ...(row.access_key === null ? {} : { accessKey: row.access_key }),
      ...(row.secret_key === null ? {} : { secretKey: row.secret_key }),
      ...(row.session_token === null ? {} : { sessionToken: row.session_token }),
    },
  }
}

export function fromSealed(
  sourceId: Uint8Array,
  slot: CredentialSlot,
  { dataKey, fields }: Sealed,
): Insertable<SourceCredentialTable> {
  return {
    source_id: sourceId,
    slot,
    data_key: dataKey,
    access_key: fields['accessKey'] ?? null,
    secret_key: fields['secretKey'] ?? null,
    session_token: fields['sessionToken'] ?? null,
  }
}
