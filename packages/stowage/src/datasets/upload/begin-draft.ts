import { type Actor, type Dataset, type Draft, StowageError } from '@stowage/core'
import type { Decision } from '@stowage/router'
import { authorOf, type Context } from '../../app/context.ts'

/** A draft that was begun, and why it lies where it lies. */
export interface Begun {
  draft: Draft
  decision: Decision
}

/**
 * Begins a draft where routing says. A dataset that has versions already is gone on with where they lie.
 * @param tried sources that were lost
 * @throws StowageError `no-source` when no source may be written to
 */
export async function beginDraft(
  { catalog, sources, clock, random, decide }: Context,
  dataset: Dataset,
  actor: Actor,
  tried: readonly string[],
): Promise<Begun> {
  await sources.fresh()
  const replicas = dataset.version === 0 ? [] : await catalog.listReplicas(dataset.id, dataset.version)
  const ready = new Map(replicas.flatMap((r) => (r.status === 'ready' ? [[r.sourceId, r.path]] : [])))
  const others = dataset.version === 0 ? [] : sources.list().flatMap(({ id }) => (ready.has(id) ? [] : [id]))
  const excludeSources = [...others, ...tried]
  const decision = await decide({
    purpose: 'write',
    actor,
    datasetId: dataset.id,
    tags: dataset.tags,
    ...(excludeSources.length === 0 ? {} : { excludeSources }),
  })
  const [best] = decision.candidates
  if (best === undefined) {
    throw new StowageError('no-source', `No source can take an upload to "${dataset.name}".`, {
      hint: decision.dropped.map((drop) => `${drop.sourceId}: ${drop.reason}`).join('; '),
    })
  }
  const draft = await catalog.createDraft({
    id: random.id(clock.now()),
    datasetId: dataset.id,
    sourceId: best.sourceId,
    // Keys of files that stay are relative to the path of the version before.
    path: ready.get(best.sourceId) ?? `${sources.datasetRoot(best.sourceId)}${dataset.id}/`,
    baseVersion: dataset.version,
    author: authorOf(actor),
  })
  return { draft, decision }
}
