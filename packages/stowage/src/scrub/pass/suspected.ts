import { toStowageError } from '@stowage/core'
import { type Held, heldSignal, hold } from '../../records/index.ts'
import { Inspector, knownAt, PlaceUnreachable } from '../inspect/index.ts'
import { later, placesIn, type Suspect, suspects, unitOf } from '../places/index.ts'
import { Counter } from './counter.ts'
import { type Run, tell } from './run.ts'

/** Looks that came to nothing before an object that cannot be read is taken for bad: the last of them hours after the first. */
const TRIES = 3

/**
 * Looks at what was reported: by reads that found it bad, and by earlier looks that did not come to an end with it. What is good or mended is
 * forgotten; the rest comes again later, and later each time.
 */
export async function lookAtSuspects(run: Run, only: string | undefined): Promise<void> {
  const { context, records, signal } = run
  for await (const { key, value } of suspects(records)) {
    if (signal?.aborted) return
    if (only !== undefined && value.sourceId !== only) continue
    if (value.at > (await records.now())) continue
    const held = await hold<Suspect>(context, key, { what: 'the look at this object', empty: value }, signal)
    if (held === undefined) continue
    try {
      await lookAt(run, held)
    } catch (thrown) {
      await held.release().catch(() => undefined)
      // Another process looks at it.
      if (held.signal.aborted) continue
      throw toStowageError(thrown, signal)
    }
  }
}

async function lookAt(run: Run, held: Held<Suspect>): Promise<void> {
  const { context, records, repair } = run
  const signal = heldSignal(held, run.signal)
  const suspect = held.value
  const { datasetId, sourceId, path } = suspect
  const replicas = await context.catalog.listReplicas(datasetId)
  const place = placesIn(replicas).find((one) => one.sourceId === sourceId && one.path === path)
  const version = await context.catalog.getVersion(datasetId, suspect.version)
  const isThere = place !== undefined && version !== undefined
  if (!isThere || !context.sources.list().some(({ id, enabled }) => id === sourceId && enabled)) {
    // Its replica is gone; one whose source is only off is looked at when that is on again.
    if (isThere) await postpone(held, later(suspect, await records.now()))
    else await held.remove()
    return
  }
  const condemnUnreadable = suspect.tries >= TRIES
  const inspector = new Inspector(context, { repair, condemnUnreadable, signal })
  const unit = unitOf(suspect, place, version)
  const counter = new Counter()
  try {
    const inspected = await inspector.inspect(unit, await knownAt(context, place))
    counter.add(unit.what, inspected)
    run.count(place, counter.counts)
    if (inspected.finding !== undefined) tell(run, inspected.finding)
    if (inspected.finding === undefined || inspected.finding.mended) return void (await held.remove())
    await postpone(held, later(suspect, await records.now()))
  } catch (error) {
    if (!(error instanceof PlaceUnreachable)) throw error
    // Nothing was learned of it.
    await postpone(held, { ...later(suspect, await records.now()), tries: suspect.tries })
  }
}

async function postpone(held: Held<Suspect>, suspect: Suspect): Promise<void> {
  await held.release(() => suspect)
}
