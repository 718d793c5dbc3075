import { StowageError } from '@stowage/core'
import { FakeClock, seededRandom } from '@stowage/core/testing'
import { describe, expect, it } from 'vitest'
import { Outage, Progress, RunStop, retry } from './index.ts'

const limitMs = 60_000
const silenceMs = 60_000
const parts = 16
/** Pieces of a part; one goes out in a second. */
const size = 300

/** What becomes of the parts on their way. Times are in milliseconds since the run began. */
interface Line {
  /** Whether a second brings a part further, of which so much went out since the call began. */
  goes: (now: number, out: number, part: number) => boolean
  /** Whether the connection of a part is lost. */
  breaks?: (part: number, now: number) => boolean
  /** Whether the parts lie in memory, and show only when they have arrived. */
  inMemory?: boolean
}

/** Sends sixteen parts, over a line that is as slow as they are large. Whether all arrived, or when the run was given up. */
async function send({ goes, breaks, inMemory }: Line): Promise<'all arrived' | number> {
  const clock = new FakeClock()
  const random = seededRandom(1)
  const started = clock.now()
  const now = (): number => clock.now() - started
  const outage = new Outage(clock, random, limitMs)
  const progress = new Progress(
    't',
    clock,
    () => undefined,
    (began) => outage.alive(began),
  )
  const stop = new AbortController()
  const options = { clock, random, signal: stop.signal, attempts: 100, backoff: { baseMs: 500, maxMs: 10_000 }, outage }
  let ended: number | undefined
  const call = async (part: number): Promise<void> => {
    const piece = progress.begin(size).piece()
    let lastAt = now()
    for (let out = 0; out < size; ) {
      // Not all in the same moment.
      await clock.sleep(1000 + part, stop.signal)
      if (breaks?.(part, now())) throw new StowageError('timeout', 'the connection was lost', { retryable: true })
      if (now() - lastAt >= silenceMs) throw new StowageError('timeout', 'no bytes moved', { retryable: true })
      if (!goes(now(), out, part)) continue
      if (inMemory === true) piece.moves()
      else piece.pass(1)
      out++
      lastAt = now()
    }
    piece.arrive(size)
  }
  const all = Promise.all(
    Array.from({ length: parts }, (_, part) =>
      retry(() => call(part), options).catch((error: unknown) => {
        if (error instanceof RunStop) ended ??= now()
        stop.abort()
      }),
    ),
  )
  await clock.advance(3_000_000)
  await all
  return ended ?? 'all arrived'
}

/** Loses the connections of some parts, each once, at these times. */
function losing(...times: number[]): (part: number, now: number) => boolean {
  const lost = new Set<number>()
  return (part, now) => {
    const at = times[part]
    if (at === undefined || now < at || lost.has(part)) return false
    lost.add(part)
    return true
  }
}

describe('a line on which a part takes five minutes', () => {
  it.each([
    ['three connections at once', [100_000, 100_000, 100_000]],
    ['three one after the other, over more than the limit', [100_000, 140_000, 180_000]],
    ['twelve over four minutes', Array.from({ length: 12 }, (_, i) => 50_000 + i * 20_000)],
    ['all at once, and three more a while later', [...Array(13).fill(200_000), 280_000, 280_000, 280_000]],
  ])('is not given up when it loses %s, since the others go on', async (_, times) => {
    for (const inMemory of [false, true])
      expect(await send({ goes: () => true, breaks: losing(...times), inMemory })).toBe('all arrived')
  })

  it('is not given up when all break, and some again while the new ones move', async () => {
    const once = losing(...Array(parts).fill(200_000))
    const again = losing(290_000, 291_000, 292_000)
    expect(await send({ goes: () => true, breaks: (part, now) => once(part, now) || again(part, now) })).toBe(
      'all arrived',
    )
  })
})

describe('a target that takes bytes into what lies before it, and no more', () => {
  /** What lies there takes this much of each call. */
  const held = 5

  it('is given up in about the limit when it was so from the beginning', async () => {
    const ended = await send({ goes: (_, out) => out < held })
    expect(ended).toBeGreaterThanOrEqual(limitMs)
    expect(ended).toBeLessThan(limitMs + held * 1000 + 5000)
  })

  it('is given up in about the limit when it became so in mid-run, although every new try begins with bytes', async () => {
    const frozeAt = 120_000
    const ended = await send({ goes: (now, out) => now < frozeAt || out < held })
    expect(ended).toBeGreaterThanOrEqual(frozeAt + limitMs - 2000)
    expect(ended).toBeLessThan(frozeAt + limitMs + 5000)
  })

  /** As one that froze after two minutes, behind which there is more room for some than for others: they fail one after the other. */
  const frozen =
    (again: number) =>
    (now: number, out: number, part: number): boolean =>
      now < 120_000 + part * 4000 || (now > 170_000 && out < again)

  it('is given up in about the limit also when tries that begin with bytes always lie between its failures', async () => {
    const ended = await send({ goes: frozen(held) })
    expect(ended).toBeGreaterThanOrEqual(180_000 + limitMs - 2000)
    expect(ended).toBeLessThan(180_000 + limitMs + 5000)
  })

  it('is given up in the end also when a slow source fills that for so long that it looks as if bytes arrived', async () => {
    const ended = await send({ goes: frozen(45) })
    expect(ended).toBeGreaterThanOrEqual(180_000 + limitMs - 2000)
    expect(ended).toBeLessThan(180_000 + 12 * limitMs)
  })
})

it('a source that is frozen is given up in about the limit, however well its target is', async () => {
  const frozeAt = 120_000
  const ended = await send({ goes: (now) => now < frozeAt })
  expect(ended).toBeGreaterThanOrEqual(frozeAt + limitMs - 2000)
  expect(ended).toBeLessThan(frozeAt + limitMs + 5000)
})

it('bytes that were noted a moment after the watch over silence began do not add another minute', async () => {
  const clock = new FakeClock(0)
  const outage = new Outage(clock, seededRandom(1), limitMs)
  const silent = new StowageError('timeout', 'no bytes moved', { retryable: true })
  await clock.advance(100_500)
  outage.alive(0)
  await clock.advance(59_500)
  expect([1, 2, 3].map(() => outage.failure(silent, 0))).toEqual(['try-again', 'try-again', 'give-up'])
})
