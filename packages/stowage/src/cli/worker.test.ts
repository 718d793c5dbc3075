import { randomBytes, randomUUID } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type CliProcess, runCli, runs, startCli, tempDir, until, withPostgres, withRedis } from '@stowage/test-support'
import { expect, it, onTestFinished } from 'vitest'
import { createStowage } from '../app/create.ts'
import type { StowageConfigInput } from '../config/index.ts'

const KIB = 1024
const TASKS = 6
const FILES = 8
const KILLS = runs(3, 20)
const timeout = 600_000

/** A folder with a configuration, and files for several tasks that take a while. */
function world(where: Pick<StowageConfigInput, 'catalog' | 'queue'>): { cwd: string; config: StowageConfigInput } {
  const cwd = tempDir('worker')
  for (let task = 0; task < TASKS; task++) {
    mkdirSync(join(cwd, 'from', String(task)), { recursive: true })
    for (let i = 0; i < FILES; i++) writeFileSync(join(cwd, 'from', String(task), `${i}.bin`), randomBytes(128 * KIB))
  }
  mkdirSync(join(cwd, 'to'))
  const config = {
    sources: [
      { id: 'from', type: 'filesystem', root: join(cwd, 'from') },
      { id: 'to', type: 'filesystem', root: join(cwd, 'to') },
    ],
    ...where,
  } satisfies StowageConfigInput
  writeFileSync(join(cwd, 'stowage.config.json'), JSON.stringify(config))
  return { cwd, config }
}

function copied(cwd: string): number {
  const names = readdirSync(join(cwd, 'to'), { recursive: true, encoding: 'utf8' })
  return names.filter((name) => /^\d+\/\d+\.bin$/.test(name)).length
}

interface Worker extends CliProcess {
  /** What it said on its way. */
  said(): string
}

function startOne(cwd: string): Worker {
  const worker = startCli(['worker', '--concurrency', '2', '--json'], { cwd })
  let said = ''
  worker.process.stderr?.on('data', (text: string) => {
    said += text
  })
  return { ...worker, said: () => said }
}

/** Workers are killed with -9 over and over, and others take their place, until all is done. */
async function killed(where: Pick<StowageConfigInput, 'catalog' | 'queue'>): Promise<void> {
  const { cwd, config } = world(where)
  const stowage = await createStowage(config, { background: false })
  onTestFinished(() => stowage.close())
  const ids: string[] = []
  for (let i = 0; i < TASKS; i++) {
    const options = { bandwidthLimit: 512 * KIB, concurrency: 2 }
    const ends = { sourceId: 'from', sourcePrefix: `${i}/`, targetId: 'to', targetPrefix: `${i}/` }
    ids.push((await stowage.tasks.enqueue({ ...ends, options })).id)
  }
  const start = (): Worker => startOne(cwd)
  const workers = [start(), start()]
  for (let kill = 1; kill <= KILLS; kill++) {
    const enough = Math.floor((TASKS * FILES * kill) / (KILLS + 2))
    await until(`${enough} files are copied`, () => copied(cwd) >= enough, { everyMs: 20, seen: () => copied(cwd) })
    await workers[kill % 2]?.kill()
    workers[kill % 2] = start()
  }
  const left = async (): Promise<number> => {
    const { waiting, running, delayed, dead } = await stowage.tasks.depth()
    expect(dead).toBe(0)
    return waiting + running + delayed
  }
  await until('no task is left', async () => (await left()) === 0, {
    timeoutMs: 240_000,
    everyMs: 50,
    seen: () => stowage.tasks.depth(),
  })
  for (const id of ids) expect(await stowage.tasks.get(id)).toMatchObject({ status: 'success', progress: 100 })
  for (let task = 0; task < TASKS; task++) {
    for (let i = 0; i < FILES; i++) {
      const name = join(String(task), `${i}.bin`)
      expect(readFileSync(join(cwd, 'to', name)).equals(readFileSync(join(cwd, 'from', name))), name).toBe(true)
    }
  }
  for (const { process, done, said } of workers) {
    // Before that a signal just ends it.
    await until('the worker is ready', () => said().includes('ready'), { seen: said })
    process.kill('SIGTERM')
    const { code, stdout, stderr } = await done
    expect(code, stderr).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ status: 'stopped' })
  }
}

it('workers killed with -9 lose no task: local, on SQLite', { timeout }, async () => {
  await killed({ catalog: { type: 'sqlite', path: join(tempDir('worker-catalog'), 'catalog.db') } })
})

await withPostgres(async ({ url }) => {
  await withRedis((redis) => {
    it('workers killed with -9 lose no task: BullMQ, on PostgreSQL', { timeout }, async () => {
      const schema = `w_${randomUUID().replaceAll('-', '')}`
      await killed({
        catalog: { type: 'postgres', url, schema },
        queue: { type: 'bullmq', redis: redis.url, prefix: `test-${randomUUID()}` },
      })
    })
  })
})

it('pauses, resumes, cancels and tries tasks again by command', async () => {
  const { cwd, config } = world({ catalog: { type: 'sqlite', path: join(tempDir('worker-catalog'), 'catalog.db') } })
  const stowage = await createStowage(config, { background: false })
  onTestFinished(() => stowage.close())
  const ends = { sourceId: 'from', sourcePrefix: '0/', targetId: 'to', targetPrefix: '0/' }
  const { id } = await stowage.tasks.enqueue(ends)
  const command = async (...args: string[]) => {
    const { code, stdout, stderr } = await runCli(['task', ...args, '--json'], { cwd })
    expect(code, stderr).toBe(0)
    return JSON.parse(stdout) as { queue?: { state: string }; status?: string }
  }
  await command('pause', id)
  expect(await command('show', id)).toMatchObject({ status: 'paused', queue: { state: 'paused' } })
  await command('resume', id)
  expect(await command('show', id)).toMatchObject({ status: 'pending', queue: { state: 'waiting' } })
  expect(await command('retry', id)).toEqual({ taskId: id, status: 'pending' })
  await command('cancel', id)
  expect(await command('show', id)).toMatchObject({ status: 'cancelled' })
  const { code } = await runCli(['task', 'pause', 'nothing'], { cwd })
  expect(code).not.toBe(0)
  expect(copied(cwd)).toBe(0)
})
