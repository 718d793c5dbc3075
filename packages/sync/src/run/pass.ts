import { compareKeys, toStowageError } from '@stowage/core'
import { Semaphore } from '../flow/index.ts'
import { type Decision, decide, FolderWatch, merge, type Row } from '../plan/index.ts'
import { act, settleAtOnce } from './action.ts'
import { countRow, type PassCounts } from './counts.ts'
import type { Frontier } from './frontier.ts'
import type { ResolvedOptions } from './options.ts'
import type { PassContext } from './shared.ts'
import { listFrom, listTo } from './sides.ts'

/** Keys that may be under way or wait behind one that is. Bounds the memory of a run. */
const windowKeys = 2048

/** Objects under way beyond the requests at a time: those wait for a turn, so that none is idle. */
const spareObjects = 16

/** Results after which a checkpoint is made whatever the time. */
const checkpointResults = 4096

/** Bytes after which a checkpoint is made, where only the ledger knows that they arrived. */
const checkpointBytes = 8 * 1024 * 1024

/**
 * One walk over both listings and the ledger: decides about every key from `after` up to `until` and sees to it. Returns when all of it
 * is settled, or the run was stopped; what is not settled then is not in the ledger.
 *
 * @throws StowageError of a listing that failed, `unsafe`, `lease-lost`
 */
export async function runPass(
  context: PassContext,
  after: string,
  until: string | undefined,
  counts: PassCounts,
): Promise<void> {
  const { options, stop, frontier, transfers } = context
  const active = new Semaphore(options.concurrency + spareObjects)
  const { keys } = options.to.adapter.capabilities
  const folders = new FolderWatch(keys)
  const extras = new FolderWatch(keys)
  const running = new Set<Promise<void>>()
  const listings = new AbortController()
  const signal = AbortSignal.any([stop.signal, listings.signal])
  const [source, target] = [listFrom(context, after, signal, counts), listTo(context, after, signal, counts)]
  const pages = merge(source, target, context.ledger, !keys.objectAndFolder)
  try {
    for await (const page of pages) {
      for (const row of page) {
        if (until !== undefined && compareKeys(row.key, until) > 0) return
        if (stop.stopping) return
        countRow(row, counts)
        if (frontier !== undefined) await makeRoom(frontier, running)
        const decision = refuse(row, options) ?? refuseFolder(row, folders) ?? block(row, extras, decide(row, options))
        const pending = frontier?.add(row.key)
        if (settleAtOnce(context, row, decision, pending)) continue
        const release = await active.acquire(1, stop.signal).catch(() => undefined)
        if (release === undefined) return
        const work: Promise<void> = act(context, row, decision, pending).finally(() => {
          release()
          running.delete(work)
        })
        running.add(work)
      }
      transfers.progress.touch()
    }
    // All that is to be done is known, also while the last of it is still under way.
    if (until === undefined && !stop.stopping) transfers.progress.listingDone = true
  } catch (error) {
    if (stop.stopping) return
    // Nothing more is copied beside a listing that failed.
    stop.now({ kind: 'failed', error: toStowageError(error) })
    throw error
  } finally {
    listings.abort()
    await Promise.all(running)
    await frontier?.drain()
  }
}

async function makeRoom(frontier: Frontier, running: ReadonlySet<Promise<void>>): Promise<void> {
  if (frontier.fresh >= checkpointResults || frontier.freshBytes >= checkpointBytes) await frontier.checkpoint(false)
  if (frontier.length < windowKeys) return
  await frontier.drain()
  while (frontier.length >= windowKeys && running.size > 0) {
    await Promise.race(running)
    await frontier.drain()
  }
}

function refuse(row: Row, { checkKey }: ResolvedOptions): Decision | undefined {
  if (row.source === undefined || checkKey === undefined) return undefined
  const reason = checkKey(row.key)
  return reason === undefined ? undefined : { action: 'refuse', reason }
}

function refuseFolder(row: Row, folders: FolderWatch): Decision | undefined {
  if (row.source === undefined) return undefined
  const blocker = folders.next(row.key)
  return blocker === undefined
    ? undefined
    : { action: 'refuse', reason: `lies below "${blocker}", which is an object too` }
}

/** What only the target has, and where it cannot hold both, stands in the way of objects below it and above it. */
function block(row: Row, extras: FolderWatch, decision: Decision): Decision {
  if (row.source === undefined && row.target !== undefined) extras.next(row.key)
  if (decision.action !== 'copy' || row.target !== undefined) return decision
  const by = extras.blocker(row.key) ?? row.below
  return by == null ? decision : { action: 'blocked', by }
}
