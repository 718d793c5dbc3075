import type { Random } from '@stowage/core'
import { seededRandom } from '@stowage/core/testing'
import { runs, startCli, testSeed, withMinio } from '@stowage/test-support'
import { expect, it } from 'vitest'
import { filled, KIB, MIB, type Stage, stage } from './stage.ts'

const kills = runs(20, 200)

const partSize = 5 * MIB
const concurrency = 3
const largest = 20 * KIB
const args = ['--delete', '--part-size', String(partSize), '--concurrency', String(concurrency)]

/**
 * What a kill may cost, in bytes: each request that was in flight, of which there are as many as the concurrency. All of them may be parts of
 * a large object, and then as many small objects may have been begun since the last one that was noted.
 */
const costOfKill = concurrency * (partSize + largest)

/** A source that changes, and what of it has to go over. */
class Tree {
  readonly #here: Stage
  readonly #random: Random
  readonly #small = new Set<string>()
  /** Every key there ever was. */
  readonly everyKey = new Set<string>()
  #versions = 0

  constructor(here: Stage, random: Random) {
    this.#here = here
    this.#random = random
  }

  /** Adds, replaces and deletes objects of the source. Returns the bytes that have to be sent. */
  async change(): Promise<number> {
    const { from } = this.#here
    const all = [...this.#small]
    const some = (share: number): string[] => all.filter(() => this.#random.next() < share)
    const gone = new Set(some(0.1))
    for (const key of gone) this.#small.delete(key)
    const added = Array.from({ length: 20 }, (_, i) => `in/${i % 3}/small-${++this.#versions}`)
    for (const key of added) this.#small.add(key)
    const written: Record<string, Buffer> = {}
    for (const key of [...some(0.2).filter((key) => !gone.has(key)), ...added]) {
      const size = 1 + ((key.length * 7919 + Number(key.split('-')[1]) * 977) % largest)
      // A replaced object keeps its size: only its contents tell.
      written[key] = filled(size, `${key} ${++this.#versions}`)
    }
    written['in/large'] = filled(40 * MIB + 1, `large ${++this.#versions}`)
    await from.fill(written)
    for (const key of gone) await from.store.delete(key)
    for (const key of Object.keys(written)) this.everyKey.add(key)
    return Object.values(written).reduce((sum, { length }) => sum + length, 0)
  }
}

/** Runs the sync in a process of its own and kills it when the stores have seen so many calls. Says whether it lived to be killed. */
async function killedAt(here: Stage, calls: number): Promise<boolean> {
  let left = calls
  const child = startCli(['sync', 'from:in', 'to:out', '--json', ...args], { cwd: here.cwd })
  let killed = false
  const count = (): undefined => {
    if (--left > 0 || killed) return
    killed = true
    // At once, in the middle of the call: not when somebody comes round to it.
    child.process.kill('SIGKILL')
  }
  for (const { proxy } of [here.from, here.to]) proxy.rule = count
  const { code, stderr } = await child.done
  for (const { proxy } of [here.from, here.to]) proxy.rule = undefined
  expect(code === null || code === 0, stderr).toBe(true)
  return code === null
}

await withMinio((server) => {
  it(
    'sync killed with -9 at random points: ends the same byte by byte, and sends again what was in flight and no more',
    async () => {
      const here = await stage({ to: server })
      const random = seededRandom(testSeed())
      const tree = new Tree(here, random)
      let left = kills
      let worst = 0
      while (left > 0) {
        const needed = await tree.change()
        here.from.proxy.reset()
        here.to.proxy.reset()
        let killedNow = 0
        // Some kills come before anything was done, some on the last stretch; some rounds have one, some have many.
        while (left > 0 && killedNow < 8) {
          const reach = random.next() < 0.5 ? 20 : 100
          if (!(await killedAt(here, 1 + Math.floor(random.next() * reach)))) break
          killedNow++
          left--
        }
        const again = await here.sync(...args, '--max-delete', '50')
        const note = `seed ${testSeed()}, ${killedNow} kills, ${left} left`
        expect(again, note).toMatchObject({
          code: 0,
          json: { status: 'success', objects: { failed: 0, conflicts: 0 } },
        })
        await here.expectSame()
        const tooMuch = here.to.proxy.bytesUp() - needed
        worst = Math.max(worst, killedNow === 0 ? 0 : tooMuch / killedNow)
        expect(tooMuch, note).toBeLessThanOrEqual(killedNow * costOfKill)
        // Asked by exact key, also those that are gone meanwhile.
        const keys = [...tree.everyKey].map((key) => key.replace(/^in/, 'out'))
        expect(await here.to.uploads(keys), note).toEqual([])
        expect((await here.sync(...args)).json, note).toMatchObject({ objects: { copied: 0, deleted: 0 } })
      }
      console.info(`${kills} kills; sent again, at most: ${(worst / MIB).toFixed(1)} MiB a kill`)
    },
    runs(1_800_000, 3_600_000),
  )
})
