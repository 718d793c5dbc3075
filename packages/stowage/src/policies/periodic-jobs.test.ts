import { Events, StowageError } from '@stowage/core'
import { FakeClock, seededRandom } from '@stowage/core/testing'
import { type LeaseRecord, memoryStore } from '@stowage/sync'
import { beforeEach, describe, expect, it } from 'vitest'
import { type PeriodicJob, PeriodicJobs, type PeriodicRecord } from './periodic-jobs.ts'
import { Records } from './records.ts'

const HOUR = 3_600_000

let clock: FakeClock
let store: ReturnType<typeof memoryStore>
let events: Events
let alerts: string[]
let stop: AbortController

beforeEach(() => {
  clock = new FakeClock()
  store = memoryStore({ clock })
  events = new Events()
  alerts = []
  events.on('alert', ({ message }) => alerts.push(message))
  stop = new AbortController()
})

function process(seed: number): PeriodicJobs {
  const random = seededRandom(seed)
  return new PeriodicJobs({ records: new Records({ store, clock, random }), clock, random, events })
}

/** The lease of a process of another machine. */
function leaseOf(nonce: string, expiresAt: number): LeaseRecord {
  return { owner: { host: 'far', bootId: 'far', pid: 1, startTime: '1', nonce }, expiresAt }
}

/** A job that writes down when it was run. */
function counted(run: () => Promise<void> = async () => undefined): PeriodicJob & { at: number[] } {
  const at: number[] = []
  return {
    id: 'sweep',
    every: 6 * HOUR,
    at,
    run: async () => {
      at.push(clock.now())
      await run()
    },
  }
}

async function pass(hours: number): Promise<void> {
  for (let minute = 0; minute < hours * 60; minute++) await clock.advance(60_000)
}

describe('periodic jobs', () => {
  it('run once in their time, however many processes look at them', async () => {
    const job = counted()
    const running = [1, 2, 3].map((seed) => {
      const jobs = process(seed)
      jobs.add(job)
      return jobs.start(stop.signal)
    })
    await pass(25)
    stop.abort()
    await Promise.all(running)
    expect(job.at).toHaveLength(5)
    for (const [i, at] of job.at.entries()) {
      if (i === 0) continue
      const since = at - (job.at[i - 1] ?? 0)
      expect(since).toBeGreaterThanOrEqual(6 * HOUR)
      expect(since).toBeLessThan(6.1 * HOUR)
    }
    expect(clock.sleeping).toBe(0)
  })

  it('come again soon after a failure, later with each, and tell it', async () => {
    const job = counted(async () => {
      throw new StowageError('unavailable', 'down')
    })
    const jobs = process(1)
    jobs.add(job)
    const running = jobs.start(stop.signal)
    await pass(2)
    stop.abort()
    await running
    const waits = job.at.slice(1).map((at, i) => at - (job.at[i] ?? 0))
    expect(waits.length).toBeGreaterThan(2)
    expect(waits[0]).toBeGreaterThanOrEqual(300_000)
    expect(waits[1]).toBeGreaterThanOrEqual(600_000)
    expect(alerts[0]).toBe('The job "sweep" failed: down')
    expect(await jobs.read('sweep')).toMatchObject({ failures: job.at.length, error: { code: 'unavailable' } })
  })

  it('are taken over from a process that died, after its hold, and from one that stopped at once', async () => {
    const job = counted()
    const jobs = process(1)
    jobs.add(job)
    await jobs.turn(job, stop.signal)
    await clock.advance(HOUR)
    const records = new Records({ store, clock, random: seededRandom(9) })
    const held = (before: PeriodicRecord | undefined): PeriodicRecord => ({
      failures: 0,
      ...before,
      nextAt: 0,
      lease: leaseOf('dead', clock.now() + 60_000),
    })
    await records.change<PeriodicRecord>('periodic/sweep', held)
    expect(await jobs.turn(job, stop.signal)).toBe(60_000)
    expect(job.at).toHaveLength(0)
    await clock.advance(60_000)
    await jobs.turn(job, stop.signal)
    expect(job.at).toHaveLength(1)

    const first = new AbortController()
    const slow = counted(() => {
      first.abort()
      return Promise.reject(new StowageError('aborted', 'stopped'))
    })
    await clock.advance(6 * HOUR)
    await jobs.turn(slow, first.signal)
    expect(slow.at).toHaveLength(1)
    await jobs.turn(job, stop.signal)
    expect(job.at).toHaveLength(2)
    expect(alerts).toEqual([])
  })

  it('end when another process has them', async () => {
    let ended = ''
    const slow: PeriodicJob = {
      id: 'sweep',
      every: HOUR,
      run: (signal) =>
        new Promise((_, reject) =>
          signal.addEventListener('abort', () => {
            ended = String((signal.reason as Error).message)
            reject(signal.reason)
          }),
        ),
    }
    const jobs = process(1)
    jobs.add(slow)
    await jobs.turn(slow, stop.signal)
    await clock.advance(HOUR)
    const running = jobs.turn(slow, stop.signal)
    await clock.advance(100)
    const records = new Records({ store, clock, random: seededRandom(9) })
    await records.change<PeriodicRecord>(
      'periodic/sweep',
      (before) => before && { ...before, lease: leaseOf('other', clock.now() + 60_000) },
    )
    await clock.advance(60_000)
    await running
    expect(ended).toBe('Another process took the job "sweep" over.')
    expect(await jobs.read('sweep')).toMatchObject({ lease: { owner: { nonce: 'other' } } })
  })

  it('refuse ids that are taken and times that are none', () => {
    const jobs = process(1)
    jobs.add(counted())
    for (const [job, field] of [
      [counted(), 'id'],
      [{ ...counted(), id: 'A/b' }, 'id'],
      [{ ...counted(), id: 'x', every: Number.NaN }, 'every'],
    ] as const)
      expect(() => jobs.add(job)).toThrow(expect.objectContaining({ code: 'invalid-request', field }))
  })
})
