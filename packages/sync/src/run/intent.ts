import { createHash } from 'node:crypto'
import type { ResolvedOptions } from './options.ts'

/** What an unfinished pass was asked for. Where it stands is of use only to the same wish. */
export function intentOf(options: ResolvedOptions): string {
  const { datasetId, version, createOnly, checksum, objects, twoWay, conflict } = options
  const wish = JSON.stringify([
    datasetId ?? null,
    version ?? null,
    createOnly,
    checksum,
    objects !== undefined,
    ...(twoWay ? [conflict] : []),
  ])
  return createHash('sha256').update(wish).digest('hex').slice(0, 16)
}
