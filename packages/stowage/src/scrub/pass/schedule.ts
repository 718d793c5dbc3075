/** A place, as the schedule sees it. */
export interface Scheduled {
  /** When the bytes that wait longest were read last. Milliseconds since the epoch. */
  oldest: number
  /** Bytes that a pass still has to read. */
  bytes: number
  /** A pass is under way. */
  begun: boolean
}

export interface Rule {
  now: number
  /** Each byte is to be read within this time, in milliseconds. */
  everyMs: number
  /** Bytes that can be read an hour. */
  bytesPerHour: number
}

/** A pass begins when this share of the time is over: what is small is not read more often than it must be. */
const BEGIN_AT = 0.8

/** Passes that would end later than this share of the time begin earlier. */
const END_BY = 0.95

const HOUR = 3_600_000

/**
 * Which of the places of one source to read now, those first whose bytes wait longest. A pass that was begun goes on; another one begins when
 * its time has come, or earlier when the budget would not reach otherwise: many places that were written together cannot be read together.
 */
export function dueFirst<T extends Scheduled>(places: readonly T[], { now, everyMs, bytesPerHour }: Rule): T[] {
  const byAge = [...places].sort((a, b) => a.oldest - b.oldest)
  let last = -1
  let before = 0
  for (const [i, { oldest, bytes }] of byAge.entries()) {
    before += bytes
    const must = oldest + END_BY * everyMs - (before / bytesPerHour) * HOUR
    // Everything before it in the queue must be read by then, too.
    if (now >= must) last = i
  }
  // What is not pressed comes when it is old enough; of what is pressed, only the head of the queue can be read now anyway.
  return byAge.filter(({ oldest, begun }, i) => begun || i <= last || mustBegin(oldest, { now, everyMs }))
}

/** Whether a pass has to begin, as far as the age of the place alone says. */
function mustBegin(oldest: number, { now, everyMs }: Pick<Rule, 'now' | 'everyMs'>): boolean {
  return now >= oldest + BEGIN_AT * everyMs
}

/** Milliseconds that it takes to read so many bytes once. */
export function cycleMs(bytes: number, bytesPerHour: number): number {
  return (bytes / bytesPerHour) * HOUR
}
