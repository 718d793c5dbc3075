import { createHash } from 'node:crypto'
import { type Location, StowageError } from '@stowage/core'

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** What makes a pair: who syncs the same places with the same filters shares one lease, one cursor and one ledger. */
export interface PairScope {
  from: Location
  to: Location
  include: readonly string[]
  exclude: readonly string[]
}

/** The record keys of one pair. The names are part of the format. */
export interface PairKeys {
  readonly id: string
  readonly state: string
  readonly ledger: string
  readonly uploads: string
  chunk(token: number, sequence: number): string
  upload(key: string): string
  uploadParts(key: string, page: number): string
}

export function pairKeys(scope: PairScope): PairKeys {
  const id = sha256(
    JSON.stringify({
      from: [scope.from.adapter.id, scope.from.prefix],
      to: [scope.to.adapter.id, scope.to.prefix],
      include: [...scope.include].sort(),
      exclude: [...scope.exclude].sort(),
    }),
  )
  const base = `pair/${id}`
  return {
    id,
    state: `${base}/state`,
    ledger: `${base}/ledger/`,
    uploads: `${base}/upload/`,
    chunk: (token, sequence) => `${base}/ledger/${token}-${sequence}`,
    upload: (key) => `${base}/upload/${sha256(key)}`,
    uploadParts: (key, page) => `${base}/upload/${sha256(key)}.${page}`,
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
