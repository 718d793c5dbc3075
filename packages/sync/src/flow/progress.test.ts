import type { SyncProgress } from '@stowage/core'
import { FakeClock, repeats } from '@stowage/core/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Bytes, type ObjectBytes, type Piece, Progress, percentOf } from './index.ts'

/** One thing that may happen to one of the objects of a run. */
type Step =
  | { what: 'begin'; size: number; part: number }
  | { what: 'sent' | 'copied' | 'pass' | 'arrive' | 'fail'; which: number; share: number }
  | { what: 'resume'; which: number; share: number; earlier: boolean }
  | { what: 'restart' | 'end' | 'drop'; which: number }
  | { what: 'resize'; which: number; size: number }
  | { what: 'wait'; ms: number }

const which = fc.nat(7)
const share = fc.double({ min: 0, max: 1.5, noNaN: true })
const size = fc.integer({ min: 0, max: 1_000_000 })
const moves = ['sent', 'copied', 'pass', 'pass', 'arrive', 'fail'] as const
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc.record({ what: fc.constant('begin' as const), size, part: fc.nat(2) }),
    fc.record({ what: fc.constantFrom(...moves), which, share }),
    fc.record({ what: fc.constant('resume' as const), which, share, earlier: fc.boolean() }),
    fc.record({ what: fc.constantFrom('restart' as const, 'end' as const, 'drop' as const), which }),
    fc.record({ what: fc.constant('resize' as const), which, size }),
    fc.record({ what: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 400 }) }),
  ),
  { maxLength: 60 },
)

interface Under {
  bytes: ObjectBytes
  piece: Piece
  passed: number
  size: number
  over: boolean
}

function made(bytes: ObjectBytes, size: number): Under {
  return { bytes, piece: bytes.piece(), passed: 0, size, over: false }
}

function failed(one: Under): number {
  const { passed } = one
  one.piece.fail()
  one.passed = 0
  return passed
}

describe('progress', () => {
  it('never runs backwards or beyond its end, and is exact at it, whatever happens to the objects', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (history) => {
        const clock = new FakeClock()
        const reports: SyncProgress[] = []
        const progress = new Progress('t', clock, (report) => reports.push(report))
        const parts = [new Bytes(), new Bytes()]
        const objects: Under[] = []
        let [sent, arrived, vain] = [0, 0, 0]
        for (const step of history) {
          if (step.what === 'wait') await clock.advance(step.ms)
          if (step.what === 'begin') objects.push(made(progress.begin(step.size, parts[step.part]), step.size))
          const one = 'which' in step ? objects[step.which % Math.max(1, objects.length)] : undefined
          if (one === undefined || one.over || !('which' in step)) continue
          const amount = 'share' in step ? Math.floor(step.share * one.size) : 0
          if (step.what === 'sent' || step.what === 'copied') {
            one.bytes[step.what](amount)
            arrived += amount
            if (step.what === 'sent') sent += amount
          }
          if (step.what === 'pass') {
            one.piece.pass(amount)
            one.passed += amount
          }
          if (step.what === 'arrive') {
            one.piece.arrive(one.passed)
            arrived += one.passed
            sent += one.passed
            one.passed = 0
          }
          if (step.what === 'fail') vain += failed(one)
          if (step.what === 'resume') one.bytes.resume(Math.min(amount, one.size), step.earlier)
          if (step.what === 'restart') one.bytes.restart()
          if (step.what === 'resize') {
            one.bytes.resize(step.size)
            one.size = step.size
          }
          if (step.what !== 'end' && step.what !== 'drop') continue
          vain += failed(one)
          one.bytes[step.what]()
          one.over = true
        }
        for (const one of objects) {
          if (one.over) continue
          vain += failed(one)
          one.bytes.end()
        }
        progress.listingDone = true
        progress.complete = true
        progress.flush()
        let last = 0
        for (const { bytes, totalBytes, percent } of reports) {
          expect(bytes).toBeGreaterThanOrEqual(last)
          expect(totalBytes).toBeGreaterThanOrEqual(bytes)
          expect(percent).toBeGreaterThanOrEqual(0)
          expect(percent).toBeLessThanOrEqual(100)
          last = bytes
        }
        for (const early of reports.slice(0, -1)) expect(early.percent).toBeLessThan(100)
        expect(reports.at(-1)).toMatchObject({
          bytes: arrived + vain,
          totalBytes: arrived + vain,
          percent: 100,
          secondsLeft: 0,
        })
        expect(progress.bytes).toMatchObject({ sent, arrived, passing: 0, left: 0 })
        for (const part of parts) expect(part.left).toBe(0)
      }),
      { numRuns: repeats(300, 5000) },
    )
  })

  it('counts what an earlier run had sent once, however often the object is tried', () => {
    const progress = new Progress('t', new FakeClock(), () => undefined)
    const object = progress.begin(100)
    object.resume(60, true)
    expect(progress.bytes).toMatchObject({ resumed: 60, left: 40 })
    object.sent(10)
    // Another try of the same run finds its own part beside those of before.
    object.resume(70, false)
    expect(progress.bytes).toMatchObject({ resumed: 60, sent: 10, left: 30 })
    // The parts do not add up: all of it is sent anew.
    object.restart()
    expect(progress.bytes).toMatchObject({ resumed: 0, sent: 10, left: 100 })
    object.sent(100)
    object.end()
    expect(progress.snapshot()).toMatchObject({ bytes: 110, totalBytes: 110 })
  })

  it('reports ten times a second at most, with a rate and the time left, and exact numbers at the end', async () => {
    const clock = new FakeClock()
    const reports: SyncProgress[] = []
    const progress = new Progress('t', clock, (report) => reports.push(report))
    progress.listingDone = true
    for (let i = 0; i < 10_000; i++) {
      const object = progress.begin(10)
      object.sent(10)
      object.end()
      progress.objects.copied++
      progress.touch()
      await clock.advance(1)
    }
    const rest = progress.begin(20_000)
    progress.flush()
    expect(reports.length).toBeLessThanOrEqual(102)
    expect(reports.length).toBeGreaterThan(90)
    const last = reports.at(-1)
    expect(last).toMatchObject({ bytes: 100_000, totalBytes: 120_000, percent: 83, objects: { copied: 10_000 } })
    expect(last?.rate).toBeGreaterThan(9_000)
    expect(last?.rate).toBeLessThan(11_000)
    expect(last?.secondsLeft).toBeGreaterThan(1.5)
    expect(last?.secondsLeft).toBeLessThan(2.5)
    rest.drop()
    expect(progress.snapshot()).toMatchObject({ bytes: 100_000, totalBytes: 100_000, percent: 99, secondsLeft: 0 })
  })

  it('guesses by the share of the keys while the sides are being listed', async () => {
    const clock = new FakeClock()
    const progress = new Progress('t', clock, () => undefined)
    const object = progress.begin(1000)
    object.sent(990)
    // Nearly all that is known is done, and nobody knows how much more there is.
    expect(progress.snapshot()).toMatchObject({ percent: 10, listingDone: false })
    expect(progress.snapshot()).not.toHaveProperty('secondsLeft')
    progress.looked(0)
    await clock.advance(60_000)
    progress.looked(0.25)
    expect(progress.snapshot()).toMatchObject({ percent: 32, secondsLeft: 180 })
    progress.listingDone = true
    expect(progress.snapshot().percent).toBe(99)
  })
})

describe('percent', () => {
  it.each([
    ['nothing to do, as far as is known', { done: 0, left: 0, listed: false, complete: false }, 0],
    ['nothing to do', { done: 0, left: 0, listed: true, complete: false }, 99],
    ['half of the bytes', { done: 5, left: 5, listed: true, complete: false }, 50],
    ['half of the keys, and few of the bytes', { done: 1, left: 9, listed: false, share: 0.5, complete: false }, 10],
    ['half of the keys without any bytes', { done: 0, left: 0, listed: false, share: 0.5, complete: false }, 50],
    ['all', { done: 5, left: 0, listed: true, complete: true }, 100],
  ])('of %s', (_, amounts, percent) => {
    expect(percentOf(amounts)).toBe(percent)
  })
})
