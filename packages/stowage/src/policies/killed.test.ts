import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startCli, tempDir } from '@stowage/test-support'
import { expect, it } from 'vitest'
import { createStowage } from '../app/create.ts'

const patience = { timeout: 120_000, interval: 100 }

it('workers that are killed forget no change: another one goes on', async () => {
  const cwd = tempDir('killed')
  for (const name of ['a', 'b']) mkdirSync(join(cwd, name))
  const config = {
    sources: (['a', 'b'] as const).map((id) => ({ id, type: 'filesystem' as const, root: join(cwd, id) })),
    catalog: { type: 'sqlite' as const, path: join(cwd, 'catalog.db') },
    policies: [{ id: 'p', on: 'event' as const, from: 'a:', to: 'b:', debounceMs: 100 }],
  }
  writeFileSync(join(cwd, 'stowage.config.json'), JSON.stringify(config))
  const stowage = await createStowage(config, { background: false })
  const arrived = (): string[] => readdirSync(join(cwd, 'b')).filter((name) => !name.startsWith('.'))
  const names: string[] = []
  let worker = startCli(['worker'], { cwd })
  await expect.poll(async () => (await stowage.policies.get('p')).reconciled, patience).toBeDefined()
  for (let i = 0; i < 3; i++) {
    // Some are seen by the one that is about to die, some by nobody.
    for (const half of ['seen', 'unseen']) {
      for (let k = 0; k < 5; k++) {
        const name = `${i}-${half}-${k}`
        names.push(name)
        writeFileSync(join(cwd, 'a', name), name)
      }
      if (half === 'seen') await worker.kill()
    }
    worker = startCli(['worker'], { cwd })
    await expect.poll(arrived, patience).toEqual([...names].sort())
  }
  worker.process.kill('SIGTERM')
  expect((await worker.done).code).toBe(0)
  await stowage.close()
})
