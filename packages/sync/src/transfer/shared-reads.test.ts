import { Readable } from 'node:stream'
import { FakeClock } from '@stowage/core/testing'
import { expect, it } from 'vitest'
import { type SharedRead, SharedReads } from './shared-reads.ts'

/** Reads of parts of one byte each, whose value is the part's number; notes what is opened. */
function scene(missing: readonly number[]) {
  const opened: string[] = []
  const bodies: Readable[] = []
  const clock = new FakeClock()
  const reads = new SharedReads(
    missing,
    async (first, end) => {
      opened.push(`${first}-${end - 1}`)
      const bytes = Buffer.from(Array.from({ length: end - first }, (_, i) => first + i))
      const body = Readable.from([bytes], { objectMode: false })
      bodies.push(body)
      return body
    },
    clock,
  )
  const { signal } = new AbortController()
  const send = async (read: SharedRead | undefined): Promise<number | undefined> => {
    if (read === undefined) return undefined
    const piece = await reads.piece(read, 1, signal)
    const [byte] = Buffer.concat(await piece.toArray())
    reads.passed(read)
    return byte
  }
  return { reads, opened, bodies, clock, send }
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1)

it('one read serves all parts for one who is alone', async () => {
  const { reads, opened, send } = scene(upTo(20))
  const sent: (number | undefined)[] = []
  while (reads.isClaimable) sent.push(await send(reads.claim(1)))
  expect(sent).toEqual(upTo(20))
  expect(opened).toEqual(['1-20'])
})

it('several share the parts, whoever goes on with which read', async () => {
  const { reads, opened, send } = scene(upTo(20))
  const sent: (number | undefined)[] = []
  while (reads.isClaimable) {
    const both = [reads.claim(2), reads.claim(2)]
    sent.push(...(await Promise.all(both.map(send))))
  }
  expect(sent.filter((part) => part !== undefined).sort((a, b) => a - b)).toEqual(upTo(20))
  expect(opened).toEqual(['1-10', '11-20'])
})

it('only the parts that are missing are read', async () => {
  const { reads, opened, send } = scene([2, 3, 7, 9, 10, 11])
  const sent: (number | undefined)[] = []
  while (reads.isClaimable) sent.push(await send(reads.claim(1)))
  expect(sent).toEqual([9, 10, 11, 2, 3, 7])
  expect(opened).toEqual(['9-11', '2-3', '7-7'])
})

it('one who comes later takes over half of what the longest read has not begun', async () => {
  const { reads, opened, bodies, send } = scene(upTo(12))
  expect(await send(reads.claim(1))).toBe(1)
  const both = [reads.claim(1), reads.claim(1)]
  expect(await Promise.all(both.map(send))).toEqual([2, 8])
  expect(opened).toEqual(['1-12', '8-12'])
  const sent: (number | undefined)[] = []
  while (reads.isClaimable) sent.push(await send(reads.claim(1)))
  expect(sent.sort((a, b) => (a ?? 0) - (b ?? 0))).toEqual([3, 4, 5, 6, 7, 9, 10, 11, 12])
  // The first was asked for more than was left to it.
  expect(bodies[0]?.destroyed).toBe(true)
  expect(opened).toHaveLength(2)
})

it('leaves a read alone that has few parts left', async () => {
  const { reads } = scene(upTo(4))
  expect(reads.claim(1)?.next).toBe(1)
  expect(reads.isClaimable).toBe(false)
  expect(reads.claim(1)).toBeUndefined()
})

it('goes on with a new request where a part failed', async () => {
  const { reads, opened, send } = scene(upTo(5))
  expect(await send(reads.claim(1))).toBe(1)
  const read = reads.claim(1) as SharedRead
  const piece = await reads.piece(read, 1, new AbortController().signal)
  piece.destroy()
  expect(await send(read)).toBe(2)
  expect(opened).toEqual(['1-5', '2-5'])
})

it('gives up a read that waits for long, and opens it again when it is its turn', async () => {
  const { reads, opened, bodies, clock, send } = scene(upTo(5))
  expect(await send(reads.claim(1))).toBe(1)
  await clock.advance(4_999)
  expect(bodies[0]?.destroyed).toBe(false)
  await clock.advance(1)
  expect(bodies[0]?.destroyed).toBe(true)
  const sent: (number | undefined)[] = []
  while (reads.isClaimable) sent.push(await send(reads.claim(1)))
  expect(sent).toEqual([2, 3, 4, 5])
  expect(opened).toEqual(['1-5', '2-5'])
})

it('ends all that is open when it is closed', async () => {
  const { reads, bodies, clock, send } = scene(upTo(20))
  await send(reads.claim(2))
  reads.close()
  expect(bodies.every((body) => body.destroyed)).toBe(true)
  await clock.advance(10_000)
})
