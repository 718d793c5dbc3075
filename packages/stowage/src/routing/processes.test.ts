import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expectCode } from '@stowage/core/testing'
import { runs, tempDir } from '@stowage/test-support'
import { expect, onTestFinished, test } from 'vitest'
import { createStowage } from '../app/create.ts'

const sources = [
  { id: 'a', type: 'memory' as const, priority: 1 },
  { id: 'b', type: 'memory' as const, priority: 2 },
]

/** The promise, in milliseconds. At level small only how it comes about is looked at: a busy machine may be late. */
const withinMs = runs(30_000, 1000)

/** Decides again and again, and tells of each new set of rules when it was first and last decided by, and an id of such a decision. */
const program = `
  import { createStowage } from './app/create.ts'
  import { setTimeout } from 'node:timers/promises'
  const stowage = await createStowage(JSON.parse(process.argv[1]))
  let go = true
  process.stdin.on('data', () => { go = false }).on('end', () => { go = false })
  const seen = {}
  while (go) {
    const begun = Date.now()
    const { ruleSetHash, id } = await stowage.routing.decide({ purpose: 'read', actor: {} })
    if (seen[ruleSetHash] === undefined) process.stdout.write(ruleSetHash + '\\n')
    const { first = begun } = seen[ruleSetHash] ?? {}
    seen[ruleSetHash] = { first, last: begun, id }
    await setTimeout(10)
  }
  await stowage.close()
  process.stdout.write('seen ' + JSON.stringify(seen) + '\\n')`

interface Seen {
  first: number
  last: number
  id: string
}

function start(config: object) {
  const options = ['--conditions=stowage-source', '--input-type=module', '--eval', program]
  const child = spawn(process.execPath, [...options, JSON.stringify(config)], {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    env: { ...process.env, NODE_NO_WARNINGS: '1' },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  let output = ''
  const listeners = new Set<() => void>()
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
    for (const listener of listeners) listener()
  })
  const closed = once(child, 'close')
  return {
    /** Resolves when a decision was made by a set. */
    decidesBy: (hash: string) =>
      new Promise<void>((resolve) => {
        const look = (): void => {
          if (output.includes(hash)) resolve()
        }
        listeners.add(look)
        look()
      }),
    stop: async (): Promise<Record<string, Seen>> => {
      child.stdin.end('stop')
      await closed
      return JSON.parse(output.slice(output.indexOf('seen ') + 5)) as Record<string, Seen>
    },
  }
}

test('a change of rules reaches four processes within a second, and a refused one none', async () => {
  const config = { sources, catalog: { type: 'sqlite' as const, path: join(tempDir('rules'), 'catalog.db') } }
  const stowage = await createStowage(config)
  onTestFinished(() => stowage.close())
  const { hash: before } = await stowage.routing.rules()
  const processes = Array.from({ length: 4 }, () => start(config))
  await Promise.all(processes.map((each) => each.decidesBy(before)))

  await expectCode(stowage.routing.setRules([{ id: 'x', then: {} }]), 'configuration')
  const after = await stowage.routing.setRules([{ id: 'b-first', then: { prefer: 'b' } }])
  const changed = Date.now()
  await Promise.all(processes.map((each) => each.decidesBy(after)))
  const seen = await Promise.all(processes.map((each) => each.stop()))

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
