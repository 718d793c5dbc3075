import { createHash } from 'node:crypto'
import { type NewSource, type SourceOptions, type StoredSource, StowageError } from '@stowage/core'
import { type SourceConfig, sourceSchema } from '../config/index.ts'

/** The fields of a configuration that are credentials. */
export const secretFields = ['accessKey', 'secretKey', 'sessionToken'] as const

export type Credentials = Partial<Pick<SourceConfig, (typeof secretFields)[number]>>

/** What the catalog keeps in columns of their own; everything else of a configuration are options. */
const columns = [
  'id',
  'type',
  'name',
  'endpoint',
  'bucket',
  'region',
  'enabled',
  'isPublic',
  'priority',
  'weight',
] as const

/** A source as a configuration, as the catalog keeps it: without credentials. */
export function configOf(stored: StoredSource): SourceConfig {
  const { id, type, name, endpoint, bucket, region, enabled, isPublic, priority, weight, options } = stored
  return {
    ...(options as Partial<SourceConfig>),
    id,
    type,
    name,
    enabled,
    isPublic,
    priority,
    weight,
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(bucket === undefined ? {} : { bucket }),
    ...(region === undefined ? {} : { region }),
  }
}

/**
 * Takes a configuration apart into what the catalog keeps and the credentials.
 * @throws StowageError `invalid-request` naming the field that is wrong
 */
export function takeApart(config: SourceConfig): {
  source: Omit<NewSource, 'credentials'>
  credentials: Credentials | undefined
} {
  const parsed = sourceSchema.safeParse(config)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    const names = issue?.code === 'unrecognized_keys' ? issue.keys : (issue?.path.map(String) ?? [])
    throw wrong(
      config.id,
      names.join('.'),
      issue?.code === 'unrecognized_keys' ? 'is no field of a source' : (issue?.message ?? 'is wrong'),
    )
  }
  if (config.type === 'filesystem' && !config.root?.startsWith('/')) {
    throw wrong(config.id, 'root', 'must be absolute: the catalog is in no folder that it could be relative to')
  }
  const rest: Record<string, unknown> = { ...config }
  for (const name of [...columns, ...secretFields]) delete rest[name]
  const { id, type, name, endpoint, bucket, region, enabled, isPublic, priority, weight } = config
  const fields = { name, endpoint, bucket, region, enabled, isPublic, priority, weight }
  const given = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
  const { accessKey, secretKey, sessionToken } = config
  const credentials = {
    ...(accessKey === undefined ? {} : { accessKey }),
    ...(secretKey === undefined ? {} : { secretKey }),
    ...(sessionToken === undefined ? {} : { sessionToken }),
  }
  return {
    // Options that are not set are not there: JSON knows no `undefined`.
    source: { id, type, ...given, options: JSON.parse(JSON.stringify(rest)) as SourceOptions },
    credentials: Object.keys(credentials).length === 0 ? undefined : credentials,
  }
}

/** What makes a place: as long as none of it changes, what was begun with a source can go on. */
const placeFields = [
  'type',
  'endpoint',
  'bucket',
  'root',
  'cname',
  'datasetRoot',
] as const satisfies readonly (keyof SourceConfig)[]

/** Whether two configurations of a source name the same place. */
export function samePlace(a: SourceConfig, b: SourceConfig): boolean {
  const [x, y] = [a, b].map((config): Record<string, unknown> => ({ ...config }))
  return placeFields.every((field) => x?.[field] === y?.[field])
}

/** A short name of the place of a source, the same in every process that means this place. */
export function placeOf(config: SourceConfig): string {
  const fields = placeFields.map((field) => config[field] ?? null)
  return createHash('sha256').update(JSON.stringify(fields)).digest('hex').slice(0, 16)
}

function wrong(sourceId: string, field: string, why: string): StowageError {
  return new StowageError('invalid-request', `${sourceId}: ${field === '' ? 'the source' : field} ${why}.`, {
    sourceId,
    ...(field === '' ? {} : { field }),
  })
}
