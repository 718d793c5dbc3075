import type { SyncProgress } from '@stowage/core'
import { formatBytes, formatSeconds } from './format.ts'

/** What a bar shows. */
export interface BarState {
  label: string
  files: number
  bytes: number
  totalBytes: number
  /** Whether `totalBytes` may still grow. */
  open: boolean
  /** 0 to 100. @defaultValue by the bytes; while `totalBytes` may still grow, none is shown, and no bar */
  percent?: number
  /** Bytes a second. */
  rate: number
  secondsLeft?: number
}

/** Percent up to which a sync says that it does not know how much there is. */
const unknown = 10

/** How far a sync has come. @param label the phase that it is in, if nothing else says it better */
export function ofSync(progress: SyncProgress, label: string = progress.phase): BarState {
  const { objects, bytes, totalBytes, listingDone, percent, rate, secondsLeft } = progress
  return {
    label,
    files: objects.copied + objects.skipped,
    bytes,
    totalBytes,
    open: !listingDone,
    ...shownPercent({ listingDone, percent }),
    rate,
    ...(secondsLeft === undefined ? {} : { secondsLeft }),
  }
}

/** What is shown of the share that is done: nothing, as long as it is not known. */
export function shownPercent({
  listingDone,
  percent,
}: Pick<SyncProgress, 'listingDone' | 'percent'>): Pick<BarState, 'percent'> {
  return listingDone || percent > unknown ? { percent } : {}
}

/** Where a bar is drawn: a terminal's error output. */
export interface BarStream {
  isTTY?: boolean
  columns?: number
  write(text: string): unknown
}

/** A one-line progress bar. Silent where the output is no terminal, so logs stay clean. */
export class ProgressBar {
  readonly #stream: BarStream
  readonly #on: boolean
  #drawn = false

  constructor(stream: BarStream, enabled: boolean) {
    this.#stream = stream
    this.#on = enabled && stream.isTTY === true
  }

  /** Draws the state over the last one. */
  update(state: BarState): void {
    if (!this.#on) return
    this.#stream.write(`\r\u001b[2K${renderBar(state, this.#stream.columns || 80)}`)
    this.#drawn = true
  }

  /** Leaves the last state standing and moves to the next line. */
  stop(): void {
    if (this.#drawn) this.#stream.write('\n')
    this.#drawn = false
  }
}

/** One line of at most `columns` characters. */
export function renderBar(state: BarState, columns: number): string {
  const total = `${formatBytes(state.totalBytes)}${state.open ? '+' : ''}`
  const left = state.secondsLeft === undefined ? '' : `  ${formatSeconds(state.secondsLeft)} left`
  const text = `${state.files} files  ${formatBytes(state.bytes)} of ${total}  ${formatBytes(state.rate)}/s${left}`
  // A share of what nobody knows would stand still, and then leap.
  if (state.open && state.percent === undefined) return `${state.label}  ${text}`.slice(0, columns)
  const share = state.percent === undefined ? shareOf(state) : state.percent / 100
  const percent = `${String(Math.floor(state.percent ?? share * 100)).padStart(3)}%`
  const room = Math.min(30, columns - state.label.length - text.length - percent.length - 8)
  const filled = Math.round(Math.max(0, room) * share)
  const bar = room < 5 ? '' : `[${'#'.repeat(filled)}${'-'.repeat(room - filled)}] `
  return `${state.label}  ${bar}${percent}  ${text}`.slice(0, columns)
}

function shareOf({ bytes, totalBytes }: BarState): number {
  return totalBytes === 0 ? 0 : Math.min(1, bytes / totalBytes)
}
