import { BLOCK_SIZE, type Damage, hasCode, toStowageError } from '@stowage/core'
import { type Held, heldSignal, hold } from '../../records/index.ts'
import { manifestsFor } from '../copies/index.ts'
import {
  checkPlace,
  Inspector,
  inspectAll,
  isBad,
  knownAt,
  type LookOptions,
  PlaceUnreachable,
  type ScrubFinding,
  Stopped,
  unlistedFinding,
} from '../inspect/index.ts'
import {
  type Cursor,
  newPlace,
  noCounts,
  type PassCounts,
  type PlaceState,
  placeKey,
  remember,
  report,
  type ScrubPlace,
  suspectOf,
  type Unit,
  unitsOf,
  versionsAt,
} from '../places/index.ts'
import type { SourceBudget } from './budget.ts'
import { Counter } from './counter.ts'
import { type Run, tell } from './run.ts'

/** How often a pass over a large file writes down how far it is. */
const BEAT = 20_000

type State = PlaceState & { pass: NonNullable<PlaceState['pass']> }

/**
 * Goes on with the pass over one place, or begins one: until its end, or as far as the budget goes.
 * @param oldest when its bytes were read last, as the schedule saw it
 * @returns how it ended: `held` when another process is at it or has just finished it
 */
export async function scrubPlace(
  run: Run,
  place: ScrubPlace,
  budget: SourceBudget,
  oldest: number,
): Promise<'done' | 'spent' | 'held' | 'unreachable'> {
  const { context } = run
  const key = placeKey(place)
  const held = await hold<PlaceState>(
    context,
    key,
    { what: 'this part of the scrub', empty: newPlace(place) },
    run.signal,
  )
  if (held === undefined) return 'held'
  const { pass: begun, last, problem } = held.value
  if (begun === null && problem === null && (last?.startedAt ?? oldest) > oldest) {
    // Another process came to its end since the schedule was made.
    await held.release()
    return 'held'
  }
  const pass = new PlacePass(run, place, budget, held)
  try {
    return await pass.run()
  } catch (thrown) {
    const error = toStowageError(thrown, run.signal)
    if (error.code === 'lease-lost' || held.signal.aborted) {
      await held.abandon()
      return 'held'
    }
    // What was done is written down; whoever comes next need not wait.
    await held.release().catch(() => undefined)
    if (!(thrown instanceof PlaceUnreachable)) throw error
    return 'unreachable'
  }
}

class PlacePass {
  readonly #run: Run
  readonly #place: ScrubPlace
  readonly #budget: SourceBudget
  readonly #held: Held<PlaceState>
  readonly #inspector: Inspector
  /** What was found and not written down yet. */
  #counter = new Counter()
  #found: ScrubFinding[] = []
  #known = new Map<string, Damage>()
  #spent = false

  constructor(run: Run, place: ScrubPlace, budget: SourceBudget, held: Held<PlaceState>) {
    const { context, repair } = run
    const signal = heldSignal(held, run.signal)
    this.#run = run
    this.#place = place
    this.#budget = budget
    this.#held = held
    this.#inspector = new Inspector(context, { repair, condemnUnreadable: false, signal })
  }

  async run(): Promise<'done' | 'spent' | 'unreachable'> {
    const { context, manifests, records } = this.#run
    const signal = heldSignal(this.#held, this.#run.signal)
    const place = this.#place
    try {
      this.#known = await knownAt(context, place)
      const problem = await checkPlace(context, this.#inspector, place, this.#known, signal)
      if (problem !== undefined) tell(this.#run, problem)
      if (problem !== undefined && isBad(problem)) {
        this.#run.count(place, { bad: 1 })
        await this.#problem(problem.kind === 'replaced' ? 'integrity' : 'not-found', problem.message)
        return 'unreachable'
      }
      const startedAt = await records.now()
      const begun = this.#held.value.pass ?? { startedAt, cursor: null, ...noCounts }
      const state: State = { ...this.#held.value, problem: null, pass: begun }
      await this.#held.commit(() => state)
      const versions = await versionsAt(context.catalog, place)
      const units = unitsOf(place, versions, manifestsFor(context, manifests, place), begun.cursor)
      const toEnd = await inspectAll(units, {
        inspect: (unit) => this.#inspect(unit),
        afford: (bytes) => this.#budget.spend(bytes),
        onDone: (cursor) => this.#checkpoint(cursor),
        onUnlisted: async (what) => {
          const finding = unlistedFinding(context, place, what)
          this.#count('manifest', 0, finding)
        },
      }).catch((error) => {
        if (error instanceof Stopped) return false
        throw error
      })
      if (!toEnd || this.#spent) {
        await this.#held.release()
        return 'spent'
      }
      await this.#finish()
      return 'done'
    } catch (error) {
      if (error instanceof PlaceUnreachable) {
        const message = context.sources.redactor.text(error.message)
        await this.#problem(error.code, message)
        const { sourceId, datasetId } = place
        this.#run.result.problems.push({ sourceId, datasetId, code: error.code, message })
      }
      throw error
    }
  }

  get #pass(): State['pass'] {
    const { pass } = this.#held.value
    if (pass === null) throw new Error('the pass was not begun')
    return pass
  }

  async #inspect(unit: Unit): Promise<void> {
    const { clock } = this.#run.context
    const isLarge = unit.what === 'file' && unit.entry.size > BLOCK_SIZE
    const { cursor } = this.#pass
    let savedAt = clock.now()
    const look: Omit<LookOptions, 'signal'> = isLarge
      ? {
          from: { block: cursor?.block ?? 0, bad: cursor?.bad ?? [] },
          onBlock: async (block, bytes, bad) => {
            if (!(await this.#budget.spend(bytes))) return false
            if (clock.now() - savedAt < BEAT) return true
            savedAt = clock.now()
            await this.#atBlock(unit, block, bad)
            return true
          },
        }
      : {}
    try {
      const { bytes, finding } = await this.#inspector.inspect(unit, this.#known, look)
      this.#count(unit.what, bytes, finding)
      if (finding !== undefined && !finding.mended) await report(this.#run.records, suspectOf(unit))
    } catch (error) {
      if (!(error instanceof Stopped)) throw error
      this.#spent = true
      if (error.judged) await this.#atBlock(unit, error.block, error.bad)
      throw error
    }
  }

  /** Writes down how far a large file was read. */
  async #atBlock(unit: Unit, block: number, bad: readonly number[]): Promise<void> {
    const before = this.#pass.cursor ?? { version: unit.version.number, after: '', block: 0, bad: [] }
    // The file may be the first one of its version.
    const at = before.version === unit.version.number ? (before.after ?? '') : ''
    await this.#checkpoint({ version: unit.version.number, after: at, block, bad: [...bad] })
  }

  #count(what: Unit['what'], bytes: number, finding: ScrubFinding | undefined): void {
    this.#counter.add(what, { bytes, ...(finding === undefined ? {} : { finding }) })
    if (finding === undefined) return
    tell(this.#run, finding)
    this.#found.push(finding)
  }

  /** Writes down how far the pass is, with what was found up to there. */
  async #checkpoint(cursor: Cursor): Promise<void> {
    const { counts } = this.#counter
    this.#counter = new Counter()
    const at = await this.#run.records.now()
    let state: PlaceState = this.#held.value
    for (const { kind, key, mended } of this.#found.splice(0)) {
      if (kind !== 'unread' && kind !== 'unsteady') state = remember(state, { at, key, kind, mended })
    }
    const pass = { ...add(this.#pass, counts), cursor }
    await this.#held.commit(() => ({ ...state, pass }))
    this.#run.count(this.#place, counts)
  }

  async #finish(): Promise<void> {
    const { cursor } = this.#pass
    if (this.#found.length > 0 && cursor !== null) await this.#checkpoint(cursor)
    const { cursor: _cursor, ...counts } = this.#pass
    const endedAt = await this.#run.records.now()
    await this.#held.release((state) => ({ ...state, pass: null, last: { ...counts, endedAt } }))
  }

  async #problem(code: string, message: string): Promise<void> {
    const at = await this.#run.records.now()
    await this.#held
      .release((state) => ({ ...state, problem: { at, code, message } }))
      .catch((error) => {
        if (!hasCode(error, 'lease-lost')) throw error
      })
  }
}

function add(pass: State['pass'], counts: PassCounts): State['pass'] {
  return {
    ...pass,
    files: pass.files + counts.files,
    bytes: pass.bytes + counts.bytes,
    bad: pass.bad + counts.bad,
    mended: pass.mended + counts.mended,
    unread: pass.unread + counts.unread,
  }
}
