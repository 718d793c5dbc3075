import { at, type Clock, type Random, type SyncStore, systemRandom } from '@stowage/core'
import { SourceLimits, steadyClock } from '../flow/index.ts'
import type { SyncOptions, SyncResult } from '../run/index.ts'
import { runSync } from '../run/run.ts'
import { type LedgerEntry, type Owner, pairKeys, processOwner, readLedger } from '../state/index.ts'
import { decodePair } from '../state/pair-record.ts'
import type { PairEnd } from '../state/record-keys.ts'
import type { FakeAdapter } from './fake-adapter.ts'

/** A worker that takes a few keys for many. */
export interface Worker {
  store: SyncStore
  clock: Clock
  /** @defaultValue this process */
  owner?: Owner
  random: Random
  /** Keys after which the key space is divided. @defaultValue 10 */
  afterKeys?: number
  /** How long leases last, in milliseconds. @defaultValue 30 seconds */
  leaseMs?: number
}

/** Runs a sync as such a worker. */
export function runAs(worker: Worker, options: SyncOptions): Promise<SyncResult> {
  const { store, clock, owner = processOwner, random, afterKeys = 10, leaseMs } = worker
  const records = { store, clock, random, ...(leaseMs === undefined ? {} : { leaseMs }) }
  const partitioning = { afterKeys, splitKeys: Math.ceil(afterKeys / 2) }
  return runSync(
    { records, owner, events: undefined, limits: new SourceLimits(steadyClock(clock)), partitioning },
    options,
  )
}

/** Whether the keys of a sync are divided into partitions now. */
export async function isPartitioned(store: SyncStore, from: PairEnd, to: PairEnd): Promise<boolean> {
  const keys = pairKeys({ from, to, include: [], exclude: [] })
  const found = await store.get(keys.state)
  return found !== undefined && decodePair(keys.state, found.value).partitioning !== null
}

/** What the ledger of a pair says. */
export async function ledgerOf(store: SyncStore, clock: Clock, a: FakeAdapter, b: FakeAdapter): Promise<LedgerEntry[]> {
  const keys = pairKeys({ from: at(a, 'src/'), to: at(b, 'dst/'), include: [], exclude: [] })
  const found = await store.get(keys.state)
  if (found === undefined) return []
  const { rest } = decodePair(keys.state, found.value)
  const records = { store, clock, random: systemRandom }
  const entries: LedgerEntry[] = []
  for await (const page of readLedger(records, rest, '', new AbortController().signal)) entries.push(...page.entries)
  return entries
}
