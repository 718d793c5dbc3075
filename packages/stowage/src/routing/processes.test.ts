import { join } from 'node:path'
import { expectCode } from '@stowage/core/testing'
import { type CliProcess, runs, startProgram, tempDir } from '@stowage/test-support'
import { expect, onTestFinished, test } from 'vitest'
import { createStowage } from '../app/create.ts'

const sources = [
  { id: 'a', type: 'memory' as const, priority: 1 },
  { id: 'b', type: 'memory' as const, priority: 2 },
]

/** The promise, in milliseconds. At level small only how it comes about is looked at: a busy machine may be late. */
const withinMs = runs(30_000, 1000)

/** Decides again and again, and writes each new set of rules; at its end, when it first and last decided by each, and an id of such a decision. */
const program = `
  const app = await stowage.createStowage(JSON.parse(args[0]))
  let go = true
  process.on('SIGTERM', () => { go = false })
  const seen = {}
  while (go) {
    const begun = Date.now()
    const { ruleSetHash, id } = await app.routing.decide({ purpose: 'read', actor: {} })
    if (seen[ruleSetHash] === undefined) process.stdout.write(ruleSetHash + '\\n')
    const { first = begun } = seen[ruleSetHash] ?? {}
    seen[ruleSetHash] = { first, last: begun, id }
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  await app.close()
  process.stdout.write(JSON.stringify(seen) + '\\n')`

interface Seen {
  first: number
  last: number
  id: string
}

/** Ends a program, and tells what it has seen. */
async function seenBy({ process, done }: CliProcess): Promise<Record<string, Seen>> {
  process.kill('SIGTERM')
  const { code, stdout, stderr } = await done
  expect(code, stderr).toBe(0)
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Record<string, Seen>
}

test('a change of rules reaches four processes within a second, and a refused one none', async () => {
  const config = { sources, catalog: { type: 'sqlite' as const, path: join(tempDir('rules'), 'catalog.db') } }
  const stowage = await createStowage(config)
  onTestFinished(() => stowage.close())
  const { hash: before } = await stowage.routing.rules()
  const processes = Array.from({ length: 4 }, () =>
    startProgram(program, [JSON.stringify(config)], { cwd: import.meta.dirname }),
  )
  expect(await Promise.all(processes.map((each) => each.line(0)))).toEqual(Array(4).fill(before))

  await expectCode(stowage.routing.setRules([{ id: 'x', then: {} }]), 'configuration')
  const after = await stowage.routing.setRules([{ id: 'b-first', then: { prefer: 'b' } }])
  const changed = Date.now()
  expect(await Promise.all(processes.map((each) => each.line(1)))).toEqual(Array(4).fill(after))
  const seen = await Promise.all(processes.map(seenBy))

  const late = seen.map((each) => (each[before]?.last ?? 0) - changed)
  process.stdout.write(`last decision by the old rules, after the change: ${late.join(', ')} ms\n`)
  for (const each of seen) {
    expect(Object.keys(each).sort()).toEqual([before, after].sort())
    expect((each[before]?.last ?? 0) - changed).toBeLessThan(withinMs)
    // Each process has written its decisions; anybody can make them once more, by the rules of then.
    for (const [hash, { id }] of Object.entries(each)) {
      const { same, decision } = await stowage.routing.replay(id)
      expect(same).toBe(true)
      expect(decision.ruleSetHash).toBe(hash)
      expect(decision.candidates[0]?.sourceId).toBe(hash === after ? 'b' : 'a')
    }
  }
})
