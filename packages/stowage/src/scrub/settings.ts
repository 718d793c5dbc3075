import type { ScrubConfig } from '../config/index.ts'

/** What a source is read an hour at least, when no budget is set. */
const USUAL = 1024 * 1024 * 1024

/** Without a budget, so much faster than what just reaches: some hours have none. */
const AHEAD = 1.25

const HOUR = 3_600_000
const DAY = 24 * HOUR

export interface ScrubSettings {
  enabled: boolean
  everyMs: number
  /** Absent when it follows from what a source holds. */
  bytesPerHour?: number
}

export function settingsOf(config: ScrubConfig | undefined): ScrubSettings {
  return {
    enabled: config?.enabled ?? true,
    everyMs: (config?.everyDays ?? 30) * DAY,
    ...(config?.bytesPerHour === undefined ? {} : { bytesPerHour: config.bytesPerHour }),
  }
}

/** Bytes an hour for a source that holds so many. */
export function hourlyBudget({ bytesPerHour, everyMs }: ScrubSettings, held: number): number {
  return bytesPerHour ?? Math.max(USUAL, Math.ceil((AHEAD * held * HOUR) / everyMs))
}
