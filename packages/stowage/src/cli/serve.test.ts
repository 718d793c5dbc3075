import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import {
  type CliProcess,
  runCli,
  startCli,
  startProgram,
  startRedis,
  tempDir,
  until,
  withRedis,
} from '@stowage/test-support'
import { expect, it, onTestFinished } from 'vitest'
import { createStowage } from '../app/create.ts'
import type { StowageConfigInput } from '../config/index.ts'

const timeout = 240_000
const pair = { sourceId: 'from', sourcePrefix: '', targetId: 'to', targetPrefix: 'copy/' }

/** A folder with a configuration, and a file to copy. */
function world(queue: StowageConfigInput['queue'] = { type: 'local' }) {
  const cwd = tempDir('serve')
  for (const name of ['from', 'to']) mkdirSync(join(cwd, name))
  writeFileSync(join(cwd, 'from', 'a.txt'), 'a file')
  const config: StowageConfigInput = {
    sources: [
      { id: 'from', type: 'filesystem', root: join(cwd, 'from') },
      { id: 'to', type: 'filesystem', root: join(cwd, 'to') },
    ],
    catalog: { type: 'sqlite', path: join(cwd, 'catalog.db') },
    queue,
  }
  writeFileSync(join(cwd, 'stowage.config.json'), JSON.stringify(config))
  return { cwd, config }
}

/** Starts `stowage serve` on a free port, and waits until it listens. */
async function serve(cwd: string, args: string[] = [], env: Record<string, string> = {}) {
  const started = startCli(['serve', '--port', '0', '--json', ...args], { cwd, env })
  let said = ''
  started.process.stderr?.on('data', (text: string) => {
    said += text
  })
  const address = () => /listening on (\S+)/.exec(said)?.[1]
  let ended = false
  started.done.then(() => {
    ended = true
  })
  await until('it listens', () => address() !== undefined || ended, { seen: () => said })
  const url = address()
  if (url === undefined) throw new Error(`It ended: ${said}`)
  return { ...started, url, said: () => said }
}

async function stop({ process, done }: CliProcess): Promise<{ ended: number }> {
  process.kill('SIGTERM')
  const { code, stdout, stderr } = await done
  expect(code, stderr).toBe(0)
  const document = JSON.parse(stdout)
  expect(document).toMatchObject({ status: 'stopped' })
  return document
}

const status = async (url: string): Promise<number> => (await fetch(url)).status

it('serves and does tasks, until it is told to stop', { timeout }, async () => {
  const { cwd, config } = world()
  const server = await serve(cwd)
  const { url } = server
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
  expect(await status(`${url}/healthz`)).toBe(200)
  expect(await status(`${url}/readyz`)).toBe(200)
  expect(await status(`${url}/queues/`)).toBe(404)
  const stowage = await createStowage(config, { background: false })
  onTestFinished(() => stowage.close())
  const { id } = await stowage.tasks.enqueue(pair)
  await until('the task is done', async () => (await stowage.tasks.get(id)).status === 'success')
  expect(readFileSync(join(cwd, 'to/copy/a.txt'), 'utf8')).toBe('a file')
  expect(await stop(server)).toEqual({ status: 'stopped', url, ended: 1 })
})

it('leaves tasks alone without workers', { timeout }, async () => {
  const { cwd, config } = world()
  const server = await serve(cwd, ['--no-workers'])
  const stowage = await createStowage(config, { background: false })
  onTestFinished(() => stowage.close())
  const { id } = await stowage.tasks.enqueue(pair)
  expect(await status(`${server.url}/readyz`)).toBe(200)
  expect(await stop(server)).toMatchObject({ ended: 0 })
  expect(await stowage.tasks.get(id)).toMatchObject({ status: 'pending' })
  expect(server.said()).not.toContain('ready: does tasks')
})

it('names a port that is in use, and ends before it does any task', { timeout }, async () => {
  const { cwd, config } = world()
  const stowage = await createStowage(config, { background: false })
  onTestFinished(() => stowage.close())
  const { id } = await stowage.tasks.enqueue(pair)
  const other = createServer().listen(0, '127.0.0.1')
  onTestFinished(() => void other.close())
  await once(other, 'listening')
  const { port } = other.address() as { port: number }
  const { code, stdout, stderr } = await runCli(['serve', '--port', String(port), '--json'], { cwd })
  expect(code).toBe(2)
  expect(stderr).toContain(`Port ${port} of 127.0.0.1 is in use.`)
  expect(JSON.parse(stdout)).toMatchObject({ status: 'failed', error: { code: 'configuration', field: 'port' } })
  expect(await stowage.tasks.get(id)).toMatchObject({ status: 'pending' })
  expect((await runCli(['serve', '--port', '70000'], { cwd })).code).toBe(2)
})

/** Options of Node under which some packages are not there. */
function without(...names: string[]): string {
  const body = `import { registerHooks } from 'node:module'
    const missing = ${JSON.stringify(names)}
    registerHooks({ resolve(name, context, next) {
      if (!missing.some((one) => name === one || name.startsWith(one + '/'))) return next(name, context)
      throw Object.assign(new Error('Cannot find package ' + name), { code: 'ERR_MODULE_NOT_FOUND' })
    } })`
  return `--import=data:text/javascript,${encodeURIComponent(body)}`
}

it('says what to install, and nothing else needs it', { timeout }, async () => {
  const { cwd } = world()
  const env = { NODE_OPTIONS: without('hono', '@hono', '@bull-board') }
  const { code, stderr } = await runCli(['serve', '--port', '0'], { cwd, env })
  expect(code).toBe(2)
  expect(stderr).toContain('npm install hono @hono/node-server')
  const other = await runCli(['task', 'list', '--json'], { cwd, env })
  expect(other.code, other.stderr).toBe(0)
  const program = startProgram('console.log(typeof stowage.createStowage)', [], { cwd, env })
  expect(await program.line(0)).toBe('function')
  await program.done
})

await withRedis(({ url: redis }) => {
  it('shows the board of a queue on BullMQ to this machine', { timeout }, async () => {
    const { cwd, config } = world({ type: 'bullmq', redis, prefix: `test-${randomUUID()}` })
    const server = await serve(cwd, ['--no-workers'])
    const { url } = server
    const stowage = await createStowage(config, { background: false })
    onTestFinished(() => stowage.close())
    const { id } = await stowage.tasks.enqueue(pair)
    for (const path of ['/queues', '/queues/', '/queues/queue/tasks']) {
      const page = await fetch(`${url}${path}`)
      expect(page.status, path).toBe(200)
      expect(page.headers.get('x-frame-options')).toBe('DENY')
      const html = await page.text()
      const script = /(?:src|href)="([^"]*static[^"]*\.js)"/.exec(html)?.[1]
      expect(script, html).toBeDefined()
      const file = await fetch(new URL(script as string, `${url}/queues/`))
      expect(file.status).toBe(200)
      expect((await file.arrayBuffer()).byteLength).toBeGreaterThan(1000)
    }
    const shown = await fetch(`${url}/queues/api/queues?activeQueue=tasks&status=latest&page=1&jobsPerPage=10`)
    expect(await shown.json()).toMatchObject({ queues: [{ name: 'tasks', jobs: [{ data: { taskId: id } }] }] })
    const problem = async (path: string, init: RequestInit = {}) => {
      const answer = await fetch(`${url}${path}`, init)
      return { status: answer.status, ...((await answer.json()) as { code: string }) }
    }
    expect(await problem('/queues/api/nothing')).toMatchObject({ status: 404, code: 'not-found' })
    expect(await problem('/queues/api/queues/tasks/clean/wait', { method: 'PUT' })).toMatchObject({ status: 405 })
    const proxied = { headers: { 'x-forwarded-for': '10.1.2.3' } }
    expect(await problem('/queues/', proxied)).toMatchObject({ status: 403, code: 'access-denied' })
    await stop(server)
  })

  it('goes on without Redis, and says so', { timeout }, async () => {
    await using own = await startRedis()
    const { cwd } = world({ type: 'bullmq', redis: own.url })
    const server = await serve(cwd)
    const { url } = server
    expect(await (await fetch(`${url}/readyz`)).json()).toEqual({
      status: 'ready',
      parts: [
        { part: 'catalog', ready: true },
        { part: 'queue', ready: true },
      ],
    })
    await own.kill()
    const answer = await fetch(`${url}/readyz`)
    expect(answer.status).toBe(503)
    const problem = await answer.text()
    expect(JSON.parse(problem)).toMatchObject({
      code: 'unavailable',
      detail: 'The Redis of the queue does not answer.',
      parts: [
        { part: 'catalog', ready: true },
        { part: 'queue', ready: false },
      ],
    })
    expect(await status(`${url}/healthz`)).toBe(200)
    const board = await fetch(`${url}/queues/api/queues?activeQueue=tasks&status=latest&page=1&jobsPerPage=10`)
    expect([503, 504]).toContain(board.status)
    expect(await board.json()).toMatchObject({ detail: expect.stringContaining('Redis') })
    await own.restart()
    await until('it is ready again', async () => (await status(`${url}/readyz`)) === 200)
    await own.kill()
    await stop(server)
    const password = decodeURIComponent(new URL(own.url).password)
    for (const text of [problem, server.said()]) expect(text).not.toContain(password)
  })

  it('does without the board when that is not installed, and says what to install', { timeout }, async () => {
    const { cwd } = world({ type: 'bullmq', redis, prefix: `test-${randomUUID()}` })
    const server = await serve(cwd, ['--no-workers'], { NODE_OPTIONS: without('@bull-board') })
    expect(server.said()).toContain('npm install @bull-board/api @bull-board/hono')
    const answer = await fetch(`${server.url}/queues/`)
    expect(answer.status).toBe(500)
    expect(await answer.json()).toMatchObject({ code: 'configuration', hint: expect.stringContaining('npm install') })
    expect(await status(`${server.url}/readyz`)).toBe(200)
    await stop(server)
  })
})
