import type { Context } from '../app/context.ts'
import { JsonRecords } from '../records/index.ts'
import type { ScrubStatus } from './options.ts'
import { allPlaces, newPlace, type PlaceState, placeKey, placesIn, type ScrubPlace, writtenAt } from './places/index.ts'

/** What is known of the scrub of every place, or of those of one dataset. */
export async function* scrubStatus(context: Context, datasetId?: string): AsyncGenerator<ScrubStatus> {
  const records = new JsonRecords(context.records)
  const places = datasetId === undefined ? allPlaces(context.catalog) : inDataset(context, datasetId)
  for await (const place of places) yield statusOf(context, records, place)
}

async function* inDataset({ catalog }: Context, datasetId: string): AsyncGenerator<ScrubPlace> {
  yield* placesIn(await catalog.listReplicas(datasetId))
}

async function statusOf(context: Context, records: JsonRecords, place: ScrubPlace): Promise<ScrubStatus> {
  const { datasetId, sourceId } = place
  const found = await records.read<PlaceState>(placeKey(place))
  const { pass, last, problem, history } = found?.value ?? newPlace(place)
  const damage = await context.catalog.listDamage({ datasetId, sourceId })
  let running: ScrubStatus['running'] = null
  if (pass !== null) {
    const { cursor: _cursor, ...counts } = pass
    running = counts
  }
  return {
    datasetId,
    sourceId,
    path: place.path,
    versions: place.replicas.map(({ version }) => version),
    oldest: last?.startedAt ?? writtenAt(place),
    damaged: damage.filter(({ key }) => key.startsWith(place.path)).length,
    running,
    last,
    problem,
    history,
  }
}
