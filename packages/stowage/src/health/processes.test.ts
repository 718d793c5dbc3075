import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { runs, testSecret, withPostgres } from '@stowage/test-support'
import { expect, it, onTestFinished } from 'vitest'
import { createStowage } from '../app/create.ts'
import type { StowageConfigInput } from '../config/index.ts'

/** The promise, in milliseconds. At level small only how it comes about is looked at: a busy machine may be late. */
const withinMs = runs(30_000, 1000)

/** Decides again and again, and tells when the first decision was made without the source `near`, and why. */
const program = `
  import { createStowage } from './app/create.ts'
  import { setTimeout } from 'node:timers/promises'
  const stowage = await createStowage(JSON.parse(process.argv[1]))
  let go = true
  process.stdin.on('data', () => { go = false }).on('end', () => { go = false })
  process.stdout.write('ready\\n')
  let before = true
  while (go) {
    const { candidates, dropped } = await stowage.routing.decide({ purpose: 'read', actor: {} })
    const serves = candidates.some(({ sourceId }) => sourceId === 'near')
    if (before && !serves) process.stdout.write(JSON.stringify({ at: Date.now(), dropped }) + '\\n')
    before = serves
    await setTimeout(10)
  }
  await stowage.close()`

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
  /** Resolves with the line of this number. */
  const line = (number: number): Promise<string> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const lines = output.split('\n')
        if (lines.length > number + 1) resolve(lines[number] as string)
      }
      listeners.add(look)
      void closed.then(() => reject(new Error(`it ended: ${output}`)))
      look()
    })
  return {
    line,
    stop: async (): Promise<void> => {
      child.stdin.end('stop')
      await closed
    },
  }
}

await withPostgres(({ url }) => {
  it('four processes know of an ejection in a fifth within a second', async () => {
    const config: StowageConfigInput = {
      sources: [
        // Nothing listens there.
        {
          id: 'near',
          type: 's3',
          endpoint: 'http://127.0.0.1:1',
          bucket: 'train',
          accessKey: 'AK',
          secretKey: testSecret('near'),
          region: 'r',
          priority: 1,
          attempts: 1,
        },
        { id: 'far', type: 'memory', priority: 2 },
      ],
      routing: { health: { probes: false }, log: { catalog: false } },
      catalog: { type: 'postgres', url, schema: 'shared_health' },
    }
    const stowage = await createStowage(config)
    onTestFinished(() => stowage.close())
    const processes = Array.from({ length: 4 }, () => start(config))
    await Promise.all(processes.map((each) => each.line(0)))
    const adapter = await stowage.sources.adapter('near')
    for (let i = 0; i < 5; i++) await adapter.head('x').catch(() => undefined)
    const ejected = Date.now()
    expect(stowage.sources.get('near').health).toMatchObject({
      healthy: false,
      trouble: 'ejected',
      code: 'unavailable',
    })
    const seen = await Promise.all(processes.map(async (each) => JSON.parse(await each.line(1))))
    const late = seen.map(({ at }: { at: number }) => at - ejected)
    process.stdout.write(`an ejection was known in the other processes after ${late.join(', ')} ms\n`)
    for (const { dropped } of seen)
      expect(dropped[0].reason).toMatch(/ejected after failures: unavailable, since .*, tried again at/)
    for (const ms of late) expect(ms).toBeLessThan(withinMs)
    await Promise.all(processes.map((each) => each.stop()))

    // One that starts afterwards knows too, and nothing of it was its own.
    const later = await createStowage(config, { background: false })
    onTestFinished(() => later.close())
    const decision = await later.route({ purpose: 'read', actor: {} })
    expect(decision.candidates.map(({ sourceId }) => sourceId)).toEqual(['far'])
  })
})
