import { at, s3KeyRules } from '@stowage/core'
import { FakeClock, repeats, seededRandom } from '@stowage/core/testing'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createSync, memoryStore } from '../index.ts'
import { FakeAdapter } from '../testing/index.ts'

const keys = ['a', 'a-', 'a/b', 'a/b/c', 'a/d', 'e'] as const
const side = fc.constantFrom('a' as const, 'b' as const)
const edit = fc.record({
  do: fc.constantFrom('put' as const, 'put' as const, 'delete' as const),
  side,
  key: fc.constantFrom(...keys),
})
const steps = fc.array(
  fc.oneof({ weight: 3, arbitrary: edit }, { weight: 1, arbitrary: fc.constant('sync' as const) }),
  {
    minLength: 6,
    maxLength: 40,
    size: 'max',
  },
)

/** The sides that hold no object beside what lies below it. */
const folders = fc.constantFrom<('a' | 'b')[]>(['a'], ['b'], ['a', 'b'])

const liesBelow = (key: string, other: string): boolean => key.startsWith(`${other}/`)

it('files and folders of one name on two sides: all that fits comes over, the rest is told of, and nothing is lost', async () => {
  await fc.assert(
    fc.asyncProperty(steps, folders, fc.integer({ min: 1, max: 4 }), async (history, strict, pageSize) => {
      const make = (id: 'a' | 'b') =>
        new FakeAdapter({
          id,
          pageSize,
          capabilities: { keys: { ...s3KeyRules, objectAndFolder: !strict.includes(id) } },
        })
      const sides = { a: make('a'), b: make('b') }
      const sync = createSync({ store: memoryStore(), clock: new FakeClock(), random: seededRandom(1) })
      const run = () => {
        const caps = { maxDeletePercent: 100, allowEmpty: true }
        return sync.run({ from: at(sides.a), to: at(sides.b), twoWay: true, ...caps })
      }
      let written: { key: string; side: 'a' | 'b'; text: string; seen: boolean }[] = []
      let texts = 0
      for (const step of [...history, 'sync' as const]) {
        if (step !== 'sync') {
          const { objects } = sides[step.side]
          const hasRoom = (): boolean =>
            [...objects.keys()].every((key) => !liesBelow(key, step.key) && !liesBelow(step.key, key))
          if (step.do === 'put' && strict.includes(step.side) && !hasRoom()) continue
          // Whoever had the chance to see a version may replace it or delete it.
          written = written.filter(({ key, side, seen }) => key !== step.key || (side !== step.side && !seen))
          if (step.do === 'delete') objects.delete(step.key)
          else {
            const text = `version ${++texts}`
            sides[step.side].seed(step.key, text)
            written.push({ key: step.key, side: step.side, text, seen: false })
          }
          continue
        }
        const result = await run()
        for (const one of written) one.seen = true
        const [inA, inB] = [sides.a.contents(), sides.b.contents()]
        const all = [...Object.values(inA), ...Object.values(inB)]
        for (const { text } of written) expect(all).toContain(text)
        const names = [...new Set([...Object.keys(inA), ...Object.keys(inB)])]
        const crossed = names.some((key) => names.some((other) => liesBelow(key, other)))
        if (result.status === 'success') expect(inB).toEqual(inA)
        else {
          expect(crossed).toBe(true)
          expect(result.errors.map(({ code }) => code)).toEqual(result.errors.map(() => 'conflict'))
        }
        if (!crossed) expect(await run()).toMatchObject({ status: 'success', objects: { copied: 0, deleted: 0 } })
      }
    }),
    { numRuns: repeats(150, 3000) },
  )
})
