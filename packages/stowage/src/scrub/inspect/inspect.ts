import {
  BLOCK_SIZE,
  type Damage,
  type DamageKind,
  type ErrorCode,
  hasCode,
  type StorageAdapter,
  StowageError,
  toStowageError,
} from '@stowage/core'
import type { Context } from '../../app/context.ts'
import { blocksFor } from '../../datasets/blocks.ts'
import { checkSmall, copiesOf } from '../copies/index.ts'
import { mend } from '../mend/index.ts'
import type { Unit } from '../places/index.ts'
import { isHeldAt } from '../places/index.ts'
import { lookAtPlace, PlaceUnreachable } from './control.ts'
import type { ScrubFinding } from './finding.ts'
import { type LookOptions, lookAtBlocks, lookAtFile, lookAtSmall, type Verdict } from './look.ts'

export interface InspectOptions {
  /** Mend what is bad. */
  repair: boolean
  /**
   * Take an object for bad that cannot be read, again and again, while others of its place can: the store may have found the rot itself, and
   * give nothing out.
   */
  condemnUnreadable: boolean
  signal?: AbortSignal | undefined
}

/** What became of one object. */
export interface Inspected {
  /** bytes read */
  bytes: number
  finding?: ScrubFinding
}

type Bad = Extract<Verdict, { state: 'bad' }>

/** Reads of an object that give nothing, before it is told. */
const TRIES = 3

/** Looks at one object after another, marks what is bad and mends it. */
export class Inspector {
  readonly #context: Context
  readonly #options: InspectOptions

  constructor(context: Context, options: InspectOptions) {
    this.#context = context
    this.#options = options
  }

  /**
   * @param known what is known to be bad at the place, by key; kept up to date
   * @throws PlaceUnreachable when it is the place that cannot be read, rather than the object
   */
  async inspect(unit: Unit, known: Map<string, Damage>, look: Omit<LookOptions, 'signal'> = {}): Promise<Inspected> {
    const adapter = await this.#context.sources.adapter(unit.place.sourceId)
    const blocks = await this.#blocksOf(unit)
    const first = await this.#look(adapter, unit, blocks, look)
    if (first.state === 'good') {
      await this.#cleared(unit, known)
      return { bytes: first.bytes }
    }
    if (first.state === 'unread') return this.#unread(adapter, unit, blocks, known, first.error, first.bytes)
    const second = await this.#again(adapter, unit, blocks, first)
    const bytes = first.bytes + second.bytes
    if (second.state === 'unread') return this.#unread(adapter, unit, blocks, known, second.error, bytes)
    if (second.state === 'good') return { bytes, finding: this.#unsteady(unit, first) }
    return found(bytes, await this.#bad(unit, blocks, known, { ...second, bytes }))
  }

  async #blocksOf(unit: Unit): Promise<Uint8Array | undefined> {
    if (unit.what !== 'file' || unit.entry.size <= BLOCK_SIZE) return undefined
    const { events } = this.#context
    const { datasetId } = unit.place
    const { own, others } = await copiesOf(this.#context, unit.place, unit.key, unit.version.number)
    const { signal } = this.#options
    try {
      return await blocksFor([own, ...others], unit.entry, { events, datasetId, signal })
    } catch (error) {
      // No list, and no copy that is right as a whole: then only a whole read can be judged.
      if (hasCode(error, 'integrity', 'not-found')) return undefined
      throw hasCode(error, 'aborted') ? error : new PlaceUnreachable(toStowageError(error, signal), unit.place.sourceId)
    }
  }

  #look(
    adapter: StorageAdapter,
    unit: Unit,
    blocks: Uint8Array | undefined,
    look: Omit<LookOptions, 'signal'> = {},
  ): Promise<Verdict> {
    const { signal } = this.#options
    const key = unit.place.path + unit.key
    if (unit.what === 'file') return lookAtFile(adapter, key, unit.entry, blocks, { ...look, signal })
    return lookAtSmall(adapter, key, (bytes) => checkSmall(this.#context, unit, bytes), signal)
  }

  /** A second read, of what was bad. */
  #again(adapter: StorageAdapter, unit: Unit, blocks: Uint8Array | undefined, first: Bad): Promise<Verdict> {
    if (unit.what !== 'file' || blocks === undefined || first.blocks.length === 0) {
      return this.#look(adapter, unit, blocks)
    }
    const key = unit.place.path + unit.key
    return lookAtBlocks(adapter, key, unit.entry, blocks, first.blocks, this.#options.signal)
  }

  async #unread(
    adapter: StorageAdapter,
    unit: Unit,
    blocks: Uint8Array | undefined,
    known: Map<string, Damage>,
    error: StowageError,
    read: number,
  ): Promise<Inspected> {
    const { signal, condemnUnreadable } = this.#options
    let bytes = read
    // What is refused, or lies in an archive, is no sign of rot.
    const telling = hasCode(error, 'unavailable', 'timeout', 'integrity', 'internal')
    for (let tries = 1; telling && tries < TRIES; tries++) {
      await this.#reachable(unit, error)
      const verdict = await this.#look(adapter, unit, blocks)
      bytes += verdict.bytes
      if (verdict.state === 'good') {
        await this.#cleared(unit, known)
        return { bytes }
      }
      if (verdict.state === 'bad') return found(bytes, await this.#bad(unit, blocks, known, verdict))
    }
    await this.#reachable(unit, error)
    if (telling && condemnUnreadable) {
      const key = unit.place.path + unit.key
      const there = await adapter.head(key, signal ? { signal } : {}).then(
        (info) => ({ etag: info.etag }),
        // Whatever is there is not replaced unseen: a mend then only writes where there is nothing.
        () => ({}),
      )
      const message = `It cannot be read while others can: ${error.message}`
      const verdict: Bad = { state: 'bad', kind: 'unreadable', message, bytes, blocks: [], ...there }
      return found(bytes, await this.#bad(unit, blocks, known, verdict))
    }
    return { bytes, finding: this.#finding(unit, 'unread', [], this.#clean(error.message)) }
  }

  /** @throws PlaceUnreachable when nothing of the place can be read */
  async #reachable(unit: Unit, error: StowageError): Promise<void> {
    const place = await lookAtPlace(this.#context, unit.place, this.#options.signal)
    if (place.state === 'unreachable') throw new PlaceUnreachable(place.error, unit.place.sourceId)
    if (place.state !== 'there') throw new PlaceUnreachable(error, unit.place.sourceId)
  }

  #unsteady(unit: Unit, first: Bad): ScrubFinding {
    const message = `It was read once as bad and once as good: ${first.message}`
    this.#alert(unit, 'warning', 'integrity', `${unit.name} is not read the same twice`)
    return this.#finding(unit, 'unsteady', first.blocks, message)
  }

  async #bad(
    unit: Unit,
    blocks: Uint8Array | undefined,
    known: Map<string, Damage>,
    bad: Bad,
  ): Promise<ScrubFinding | undefined> {
    const { catalog, events } = this.#context
    const { datasetId, sourceId, path } = unit.place
    const key = path + unit.key
    if (bad.kind === 'missing') {
      // A disk that went away in between is no damage of this one file.
      const place = await lookAtPlace(this.#context, unit.place, this.#options.signal)
      if (place.state === 'unreachable') throw new PlaceUnreachable(place.error, sourceId)
      if (place.state !== 'there') throw new PlaceUnreachable(goneError(bad), sourceId)
    }
    // A replica that left meanwhile takes its objects with it.
    if (!(await isHeldAt(this.#context, unit))) return undefined
    const { kind } = bad
    const message = this.#clean(bad.message)
    const damage = await catalog.addDamage({ datasetId, sourceId, key, kind, blocks: bad.blocks, message })
    known.set(key, damage)
    if (damage.found === 1) {
      events.emit('replica.damaged', { datasetId, version: unit.version.number, sourceId, key, kind, message })
    }
    const finding = this.#finding(unit, kind, bad.blocks, message)
    if (!this.#options.repair) {
      if (damage.found === 1) this.#alert(unit, 'warning', codeOf(kind), `${unit.name} is damaged: ${message}`)
      return finding
    }
    const mended = await mend(this.#context, unit, bad, this.#options.signal)
    // Whether it was written or somebody else was first: what counts is what is there now.
    const adapter = await this.#context.sources.adapter(sourceId)
    const now = mended.ok || mended.code === 'precondition-failed' ? await this.#look(adapter, unit, blocks) : bad
    if (now.state === 'good') {
      await this.#cleared(unit, known)
      return { ...finding, mended: true }
    }
    const why = mended.ok ? 'The store gives other bytes than were written.' : this.#clean(mended.message)
    const lost = !mended.ok && mended.lost
    if (lost) {
      const text = `${unit.name} is damaged on every replica, and nothing good is left of it: ${message} Everything is kept.`
      this.#alert(unit, 'critical', 'integrity', text)
    } else if (mended.ok || mended.code !== 'lease-held') {
      this.#alert(unit, 'warning', codeOf(kind), `${unit.name} is damaged and could not be mended yet: ${why}`)
    }
    return { ...finding, message: `${message} ${why}`, lost }
  }

  /** It is right: what was known against it is over. */
  async #cleared(unit: Unit, known: Map<string, Damage>): Promise<void> {
    const { datasetId, sourceId, path } = unit.place
    const key = path + unit.key
    const damage = known.get(key)
    if (damage === undefined) return
    await this.#context.catalog.clearDamage(damage)
    known.delete(key)
    this.#context.events.emit('replica.mended', { datasetId, version: unit.version.number, sourceId, key })
  }

  /** Words of stores are kept in the catalog and told: no secret goes with them. */
  #clean(words: string): string {
    return this.#context.sources.redactor.text(words)
  }

  #finding(unit: Unit, kind: ScrubFinding['kind'], blocks: number[], message: string): ScrubFinding {
    const { place, version, name } = unit
    const { datasetId, sourceId, path } = place
    const key = path + unit.key
    return {
      datasetId,
      version: version.number,
      sourceId,
      key,
      name,
      kind,
      blocks,
      message,
      mended: false,
      lost: false,
    }
  }

  #alert(unit: Unit, severity: 'warning' | 'critical', code: ErrorCode, what: string): void {
    const { datasetId, sourceId } = unit.place
    const message = `Version ${unit.version.number} on "${sourceId}": ${what}`
    this.#context.events.emit('alert', { severity, code, message, datasetId, sourceId })
  }
}

function found(bytes: number, finding: ScrubFinding | undefined): Inspected {
  return finding === undefined ? { bytes } : { bytes, finding }
}

function codeOf(kind: DamageKind): ErrorCode {
  return kind === 'missing' ? 'not-found' : 'integrity'
}

function goneError(bad: Bad): StowageError {
  return new StowageError('not-found', bad.message)
}
