/** How long changes took to arrive, of which the last few are kept. Milliseconds. */
export interface LagRecord {
  /** The newest last; at most {@link KEPT}. */
  samples: number[]
  smoothedMs: number
  /** How much the source's clock is ahead of ours, as far as it is sure: an event cannot be told before it happened. */
  aheadMs: number
}

export interface Lag {
  /** How many changes it is of. */
  count: number
  smoothedMs: number
  p50Ms: number
  p99Ms: number
  aheadMs: number
}

/** Samples that are kept. */
const KEPT = 256

/** The share of a new sample in the smoothed value. */
const NEW = 0.2

/** A change as it was heard of. Milliseconds since the epoch. */
export interface Heard {
  /** By the source's clock. */
  written: number
  /** By ours. */
  heard: number
}

/**
 * Takes changes that have arrived. The time of the write is the source's; where its clock is ahead, as events from the future show, the
 * difference is taken off. A clock that is behind cannot be told from events that came late, and counts as lag.
 */
export function addLags(
  before: LagRecord | undefined,
  changes: readonly Heard[],
  arrived: number,
): { record: LagRecord; ms: number; sinceHeardMs: number } {
  let { smoothedMs, aheadMs } = before ?? { smoothedMs: Number.NaN, aheadMs: 0 }
  const samples = [...(before?.samples ?? [])]
  let [longest, sinceHeard] = [0, 0]
  // One that was corrected is not ahead for ever: the difference fades unless it shows again.
  const seen = Math.max(0, ...changes.map(({ written, heard }) => written - heard))
  aheadMs = Math.max(seen, aheadMs * 0.9)
  for (const { written, heard } of changes) {
    const ms = Math.max(0, arrived - Math.min(heard, written - aheadMs))
    longest = Math.max(longest, ms)
    sinceHeard = Math.max(sinceHeard, arrived - heard)
    samples.push(ms)
    smoothedMs = Number.isNaN(smoothedMs) ? ms : smoothedMs + NEW * (ms - smoothedMs)
  }
  const record = { samples: samples.slice(-KEPT).map(Math.round), smoothedMs: Math.round(smoothedMs), aheadMs }
  return { record, ms: longest, sinceHeardMs: Math.max(0, sinceHeard) }
}

export function lagOf({ samples, smoothedMs, aheadMs }: LagRecord): Lag {
  const sorted = [...samples].sort((a, b) => a - b)
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0
  return { count: samples.length, smoothedMs, p50Ms: at(0.5), p99Ms: at(0.99), aheadMs: Math.round(aheadMs) }
}
