import { isProbeKey, type ObjectEvent, toPrefix } from '@stowage/core'
import { keyFilter } from '@stowage/sync'
import { isPrefixPair, type PolicyConfig } from '../config/index.ts'
import type { Sources } from '../sources/index.ts'
import type { BucketEvent } from './bucket-events.ts'
import type { ChangeNotes, NotedChange } from './change-notes.ts'
import type { PolicyRuns } from './policy-runs.ts'
import type { PolicySet } from './policy-set.ts'
import type { Records } from './records.ts'

export interface IntakeOptions {
  records: Records
  set: PolicySet
  runs: PolicyRuns
  notes: ChangeNotes
  sources: Sources
  /** Told when there is something to do. */
  onNoted: () => void
}

/** What of an event is of use. */
type Told = Pick<ObjectEvent, 'type' | 'key'> & { time?: number | undefined }

/** Times that a policy's notes are written before is looked again whether there are too many. */
const lookEvery = 64

/** Takes events as hints: notes which keys to look at, for each policy that they concern, and leaves it to a run to find out what happened. */
export class Intake {
  readonly #options: IntakeOptions
  readonly #written = new Map<string, number>()

  constructor(options: IntakeOptions) {
    this.#options = options
  }

  /** The enabled policies on `event` that watch a key of a source. */
  policiesFor(sourceId: string, key: string): PolicyConfig[] {
    return this.#concerned(sourceId).flatMap(({ policy, prefix }) =>
      relative(policy, prefix, key) === undefined ? [] : [policy],
    )
  }

  /**
   * Notes what the events of buckets tell, in the sources that are these buckets. Once it resolves, nothing forgets them.
   * @returns the ids of the policies that have something to do
   */
  async bucketEvents(events: readonly BucketEvent[]): Promise<string[]> {
    const { set, sources } = this.#options
    await Promise.all([set.fresh(), sources.fresh()])
    const ids = new Set<string>()
    for (const { id, bucket } of sources.list()) {
      const of = bucket === undefined ? [] : events.filter((event) => event.bucket === bucket)
      if (of.length > 0) for (const policy of await this.note(id, of)) ids.add(policy)
    }
    return [...ids]
  }

  /** Notes what events of one source tell. @returns the ids of the policies that have something to do */
  async note(sourceId: string, events: readonly Told[]): Promise<string[]> {
    const { records, notes, runs, onNoted } = this.#options
    const ids: string[] = []
    let heard: number | undefined
    for (const { policy, prefix } of this.#concerned(sourceId)) {
      const { id } = policy
      const changes = new Map<string, NotedChange>()
      for (const event of events) {
        const key = relative(policy, prefix, event.key)
        if (key === undefined || (event.type === 'removed' && !carriesDeletes(policy))) continue
        heard ??= await records.now()
        changes.set(key, { key, written: event.time ?? heard, heard })
      }
      if (heard === undefined || changes.size === 0) continue
      if (await this.#isFull(id)) await runs.want(id, 'gap')
      else {
        await notes.add(id, [...changes.values()], heard)
        await runs.mark(id)
      }
      ids.push(id)
    }
    if (ids.length > 0) onNoted()
    return ids
  }

  /** Events of a source were lost: only a look at everything tells what happened. */
  async gap(sourceId: string): Promise<void> {
    const { runs, onNoted } = this.#options
    const ids = new Set(this.#concerned(sourceId).map(({ policy }) => policy.id))
    for (const id of ids) await runs.want(id, 'gap')
    if (ids.size > 0) onNoted()
  }

  /** The sources whose events policies want. */
  watched(): Set<string> {
    const ids = new Set<string>()
    for (const { config } of this.#options.set.list())
      if (wantsEvents(config)) for (const place of placesOf(config)) ids.add(place.sourceId)
    return ids
  }

  #concerned(sourceId: string): { policy: PolicyConfig; prefix: string }[] {
    return this.#options.set.list().flatMap(({ config }) => {
      const places = wantsEvents(config) ? placesOf(config) : []
      return places.flatMap((place) => (place.sourceId === sourceId ? [{ policy: config, prefix: place.prefix }] : []))
    })
  }

  async #isFull(id: string): Promise<boolean> {
    const written = (this.#written.get(id) ?? 0) + 1
    this.#written.set(id, written)
    return written % lookEvery === 1 && (await this.#options.notes.full(id))
  }
}

function wantsEvents(policy: PolicyConfig): boolean {
  return policy.on === 'event' && policy.enabled !== false && isPrefixPair(policy)
}

function placesOf(policy: PolicyConfig): { sourceId: string; prefix: string }[] {
  const texts = policy.twoWay === true ? [policy.from, policy.to] : [policy.from]
  return texts.map((text) => {
    const colon = text.indexOf(':')
    return { sourceId: text.slice(0, colon), prefix: toPrefix(text.slice(colon + 1)) }
  })
}

function carriesDeletes(policy: PolicyConfig): boolean {
  return policy.delete ?? policy.twoWay === true
}

/** The key below the prefix, if the policy is about it. Probes write and delete all day, and what is Stowage's own is nobody's. */
function relative(policy: PolicyConfig, prefix: string, key: string): string | undefined {
  if (!key.startsWith(prefix) || key === prefix || isProbeKey(key)) return undefined
  const rest = key.slice(prefix.length)
  if (/(^|\/)\.stowage\//.test(rest)) return undefined
  return keyFilter(policy.include ?? [], policy.exclude ?? [])(rest) ? rest : undefined
}
