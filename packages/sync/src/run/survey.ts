import type { SyncCounts } from '@stowage/core'
import { addBytes, bytesOf, noPartBytes, type PartBytes, type Partition } from '../state/index.ts'
import { sumOf } from './partition.ts'

/** What all who work on the partitions of a task have done, as the records of the partitions tell. */
export interface Survey {
  objects: Omit<SyncCounts, 'deleted'>
  bytes: PartBytes
  /** Of the keys looked at, 0 to 1. */
  share: number
  /** Processes that hold partitions. */
  workers: number
}

/** Adds up what the partitions of a task tell. */
export function surveyOf(partitions: readonly Partition[]): Survey {
  const { copied, skipped, failed, conflicts } = sumOf(partitions)
  const bytes = noPartBytes()
  for (const { part } of partitions) addBytes(bytes, bytesOf(part))
  const workers = new Set(
    partitions.flatMap(({ held, state }) => (held && state.lease ? [processOf(state.lease.owner)] : [])),
  )
  return { objects: { copied, skipped, failed, conflicts }, bytes, share: shareOf(partitions), workers: workers.size }
}

/**
 * The share of the keys that were looked at. How many keys a partition has nobody knows before its end, so one under way counts for up to half
 * of its own until it is the longest of all.
 */
export function shareOf(partitions: readonly Partition[]): number {
  const most = Math.max(1, ...partitions.map(({ part }) => part.counts.source))
  const done = ({ part: { complete, counts } }: Partition): number =>
    complete ? 1 : counts.source / (counts.source + most)
  const given = (one: Partition): number => one.part.share ?? 1 / partitions.length
  const all = partitions.reduce((sum, one) => sum + given(one), 0)
  return all === 0 ? 0 : partitions.reduce((sum, one) => sum + given(one) * done(one), 0) / all
}

function processOf({ host, pid }: { host: string; pid: number }): string {
  return `${host} ${pid}`
}
