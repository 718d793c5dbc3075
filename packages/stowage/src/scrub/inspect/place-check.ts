import { type Damage, MARKER_KEY, StowageError } from '@stowage/core'
import type { Context } from '../../app/context.ts'
import type { Unlisted } from '../places/index.ts'
import { type ScrubPlace, versionsAt } from '../places/index.ts'
import { lookAtPlace, PlaceUnreachable } from './control.ts'
import type { ScrubFinding } from './finding.ts'
import type { Inspector } from './inspect.ts'

/** What is known to be bad at a place, by key. */
export async function knownAt(context: Context, { datasetId, sourceId }: ScrubPlace): Promise<Map<string, Damage>> {
  const damage = await context.catalog.listDamage({ datasetId, sourceId })
  return new Map(damage.map((one) => [one.key, one]))
}

/**
 * Looks whether a place is there, before its objects are looked at. One that is gone or was replaced is marked and told as a whole; one that
 * is there again is not marked any more.
 * @returns what is wrong, or `undefined`
 * @throws PlaceUnreachable when it cannot be told
 */
export async function checkPlace(
  context: Context,
  inspector: Inspector,
  place: ScrubPlace,
  known: Map<string, Damage>,
  signal?: AbortSignal,
): Promise<ScrubFinding | undefined> {
  const { datasetId, sourceId, path } = place
  const key = path + MARKER_KEY
  const look = await lookAtPlace(context, place, signal)
  if (look.state === 'unreachable') throw new PlaceUnreachable(look.error, sourceId)
  const [version] = await versionsAt(context.catalog, place)
  if (version === undefined) return undefined
  const name = 'the marker of the replica'
  if (look.state === 'there') {
    if (!known.has(key)) return undefined
    return (await inspector.inspect({ place, version, what: 'marker', key: MARKER_KEY, name }, known)).finding
  }
  const kind = look.state === 'gone' ? 'missing' : 'replaced'
  const message = `The whole replica is ${look.state}: ${context.sources.redactor.text(look.message)}`
  const damage = await context.catalog.addDamage({ datasetId, sourceId, key, kind, blocks: [], message })
  known.set(key, damage)
  if (damage.found === 1) {
    const number = version.number
    context.events.emit('replica.damaged', { datasetId, version: number, sourceId, key, kind, message })
    const text = `${message} Nothing is written there until it is back, or the replica is made again.`
    const code = kind === 'missing' ? 'not-found' : 'integrity'
    context.events.emit('alert', { severity: 'critical', code, message: text, datasetId, sourceId })
  }
  const base = { datasetId, version: version.number, sourceId, key, name: 'the whole replica' }
  return { ...base, kind, blocks: [], message, mended: false, lost: false }
}

/** What to say of a version whose manifest, or a part of it, cannot be read from anywhere. @throws PlaceUnreachable when that may pass */
export function unlistedFinding(context: Context, place: ScrubPlace, { unlisted, error }: Unlisted): ScrubFinding {
  const { datasetId, sourceId, path } = place
  const failure = StowageError.isInstance(error) ? error : new StowageError('internal', String(error))
  if (failure.code === 'aborted') throw failure
  if (failure.code !== 'integrity' && failure.code !== 'not-found') throw new PlaceUnreachable(failure, sourceId)
  const why = context.sources.redactor.text(failure.message)
  const message = `The files of version ${unlisted.number} are not known any more: ${why}`
  context.events.emit('alert', { severity: 'critical', code: failure.code, message, datasetId, sourceId })
  const kind = failure.code === 'not-found' ? 'missing' : 'digest'
  const name = `the manifest of version ${unlisted.number}`
  const key = path + (failure.key ?? '')
  return {
    datasetId,
    version: unlisted.number,
    sourceId,
    key,
    name,
    kind,
    blocks: [],
    message,
    mended: false,
    lost: true,
  }
}
