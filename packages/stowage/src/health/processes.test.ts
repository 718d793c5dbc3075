import { runs, startProgram, testSecret, withPostgres } from '@stowage/test-support'
import { expect, it, onTestFinished } from 'vitest'
import { createStowage } from '../app/create.ts'
import type { StowageConfigInput } from '../config/index.ts'

/** The promise, in milliseconds. At level small only how it comes about is looked at: a busy machine may be late. */
const withinMs = runs(30_000, 1000)

/** Decides again and again, and tells when the first decision was made without the source `near`, and why. */
const program = `
  const app = await stowage.createStowage(JSON.parse(args[0]))
  let go = true
  process.on('SIGTERM', () => { go = false })
  process.stdout.write('ready\\n')
  let before = true
  while (go) {
    const { candidates, dropped } = await app.routing.decide({ purpose: 'read', actor: {} })
    const serves = candidates.some(({ sourceId }) => sourceId === 'near')
    if (before && !serves) process.stdout.write(JSON.stringify({ at: Date.now(), dropped }) + '\\n')
    before = serves
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  await app.close()`

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
    const processes = Array.from({ length: 4 }, () =>
      startProgram(program, [JSON.stringify(config)], { cwd: import.meta.dirname }),
    )
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
    for (const { process, done } of processes) {
      process.kill('SIGTERM')
      const { code, stderr } = await done
      expect(code, stderr).toBe(0)
    }

    // One that starts afterwards knows too, and nothing of it was its own.
    const later = await createStowage(config, { background: false })
    onTestFinished(() => later.close())
    const decision = await later.route({ purpose: 'read', actor: {} })
    expect(decision.candidates.map(({ sourceId }) => sourceId)).toEqual(['far'])
  })
})
