import { createHash } from 'node:crypto'
import { type ObjectBounds, StowageError } from '@stowage/core'

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** A folder by the id of its source. A `Location` is one. */
export interface PairEnd {
  readonly adapter: { readonly id: string }
  readonly prefix: string
}

/** What makes a pair: who syncs the same places with the same filters shares one lease, one cursor and one ledger. */
export interface PairScope extends ObjectBounds {
  from: PairEnd
  to: PairEnd
  include: readonly string[]
  exclude: readonly string[]
  /** A two-way sync remembers other things of the same places than a sync in one direction: it has records of its own. */
  twoWay?: boolean
}

/** The record keys of one pair. The names are part of the format. */
export interface PairKeys {
  readonly id: string
  readonly state: string
  readonly ledger: string
  readonly uploads: string
  readonly intents: string
  chunk(token: number, sequence: number): string
  intent(token: number, sequence: number): string
  /** Below it lie the records of partitions. */
  readonly parts: string
  part(id: string): string
  partChunk(part: string, token: number, sequence: number): string
  /** Below it lie the wishes of idle workers for a partition. */
  readonly wishes: string
  upload(key: string): string
  uploadParts(key: string, page: number): string
}

export function pairKeys(scope: PairScope): PairKeys {
  const { minSize, maxSize, minAgeMs, maxAgeMs } = scope
  const bounds = [minSize, maxSize, minAgeMs, maxAgeMs]
  const id = sha256(
    JSON.stringify({
      from: [scope.from.adapter.id, scope.from.prefix],
      to: [scope.to.adapter.id, scope.to.prefix],
      include: [...scope.include].sort(),
      exclude: [...scope.exclude].sort(),
      ...(scope.twoWay ? { twoWay: true } : {}),
      ...(bounds.some((bound) => bound !== undefined) ? { bounds: bounds.map((bound) => bound ?? null) } : {}),
    }),
  )
  const base = `pair/${id}`
  return {
    id,
    state: `${base}/state`,
    ledger: `${base}/ledger/`,
    chunk: (token, sequence) => `${base}/ledger/${token}-${sequence}`,
    intents: `${base}/intent/`,
    intent: (token, sequence) => `${base}/intent/${token}-${sequence}`,
    parts: `${base}/part/`,
    part: (part) => `${base}/part/${part}`,
    partChunk: (part, token, sequence) => `${base}/ledger/${part}-${token}-${sequence}`,
    wishes: `${base}/wish/`,
    ...uploadKeys(`${base}/upload/`),
  }
}

/** The same pair's records, with those of the uploads from the target into the source. */
export function backwards(keys: PairKeys): PairKeys {
  return { ...keys, ...uploadKeys(`pair/${keys.id}/upload-back/`) }
}

function uploadKeys(uploads: string): Pick<PairKeys, 'uploads' | 'upload' | 'uploadParts'> {
  return {
    uploads,
    upload: (key) => `${uploads}${sha256(key)}`,
    uploadParts: (key, page) => `${uploads}${sha256(key)}.${page}`,
  }
}

export const taskPrefix = 'task/'

/** The record of a task. */
export function taskKey(id: string): string {
  return `${taskPrefix}${checkTaskId(id)}`
}

/** The record whose presence asks the owner of a task to cancel it. */
export function cancelKey(id: string): string {
  return `cancel/${checkTaskId(id)}`
}

function checkTaskId(id: string): string {
  if (/^[a-z0-9._-]{1,128}$/.test(id)) return id
  throw new StowageError('invalid-request', `A task id is 1 to 128 characters of a-z 0-9 . _ -, not "${id}".`, {
    field: 'taskId',
  })
}
