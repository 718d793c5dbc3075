import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, it } from 'vitest'
import { tempDir } from './tmp.ts'

const repository = resolve(import.meta.dirname, '../..')

/** Starts a run of its own on these test files, with our reporter and setup. */
function startRun(files: Readonly<Record<string, string>>, env: Readonly<Record<string, string>> = {}): ChildProcess {
  const folder = tempDir('run')
  const config = {
    reporters: ['default', join(repository, 'test/src/reporter.ts')],
    globalSetup: [join(repository, 'test/src/run/setup.ts')],
  }
  const all = { ...files, 'vitest.config.js': `export default ${JSON.stringify({ test: config })}` }
  for (const [name, content] of Object.entries(all)) writeFileSync(join(folder, name), content)
  symlinkSync(join(repository, 'node_modules'), join(folder, 'node_modules'))
  mkdirSync(join(folder, 'tmp'))
  const own = { ...process.env, TMPDIR: join(folder, 'tmp'), CI: '', NO_COLOR: '1', ...env }
  for (const name of ['STOWAGE_TEST_RUN_DIR', 'STOWAGE_TEST_SEED', 'FORCE_COLOR', 'VITEST']) {
    delete (own as NodeJS.ProcessEnv)[name]
  }
  const vitest = join(repository, 'node_modules/vitest/vitest.mjs')
  return spawn(process.execPath, [vitest, 'run', '--root', folder], { env: own, stdio: ['ignore', 'pipe', 'pipe'] })
}

async function run(files: Readonly<Record<string, string>>): Promise<{ code: number; lines: string[] }> {
  const child = startRun(files)
  const [printed, [code]] = await Promise.all([
    text(child.stdout as NodeJS.ReadableStream & AsyncIterable<Buffer>),
    once(child, 'exit') as Promise<[number]>,
    text(child.stderr as NodeJS.ReadableStream & AsyncIterable<Buffer>),
  ])
  return { code, lines: printed.trimEnd().split('\n') }
}

const imports = "import { beforeAll, describe, expect, it } from 'vitest'\n"

it('ends with the counts, and passes when nothing failed', async () => {
  const { code, lines } = await run({
    'a.test.js': `${imports}it('one', () => {})\nit('two', () => {})`,
    'b.test.js': `${imports}it('three', ({ skip }) => skip('no such server'))`,
  })
  expect([code, lines.at(-1)]).toEqual([0, '2 passed, 0 failed, 1 skipped'])
  expect(lines).toContain('skipped 1: no such server')
  expect(lines.at(-2)).toMatch(/three$/)
})

it('counts as failed whatever keeps tests from running', async () => {
  const { code, lines } = await run({
    'fails.test.js': `${imports}it('one', () => expect(1).toBe(2))\nit('two', () => {})`,
    'collects.test.js': `${imports}throw new Error('not loaded')`,
    'hook.test.js': `${imports}describe('x', () => { beforeAll(() => { throw new Error('hook') }); it('y', () => {}) })`,
    'skips.test.js': `${imports}it.skip('z', () => {})`,
    'unhandled.test.js': `${imports}it('ok', () => { setTimeout(() => { throw new Error('late') }); return new Promise((r) => setTimeout(r, 50)) })`,
  })
  expect([code, lines.at(-1)]).toEqual([1, '2 passed, 5 failed, 1 skipped'])
  const failures = lines.filter((line) => line.startsWith('failed: ')).join('\n')
  for (const problem of ['not loaded', 'hook', 'z is skipped without a reason', 'unhandled error: late']) {
    expect(failures).toContain(problem)
  }
})

it('fails when there are no tests', async () => {
  const { code, lines } = await run({ 'a.js': '' })
  expect([code, lines.at(-1)]).toEqual([1, '0 passed, 1 failed'])
})

it('leaves nothing behind when it is interrupted', async () => {
  const guard = JSON.stringify(join(repository, 'test/src/run/guard.ts'))
  const child = startRun({
    'a.test.js': `${imports}import { startGuarded, runFolder } from ${guard}
      it('waits', async () => {
        const { pid } = await startGuarded('sleep', ['600'], { log: runFolder() + '/log' })
        console.log('started ' + JSON.stringify([runFolder(), pid]))
        await new Promise(() => {})
      }, 60_000)`,
  })
  let printed = ''
  child.stdout?.on('data', (chunk: Buffer) => {
    printed += chunk.toString()
  })
  await expect.poll(() => printed, { timeout: 20_000 }).toMatch(/started \[.*\]/)
  const [folder, pid] = JSON.parse(/started (\[.*\])/.exec(printed)?.[1] ?? '') as [string, number]
  expect(existsSync(folder)).toBe(true)
  child.kill('SIGINT')
  await once(child, 'exit')
  const alive = (): boolean => {
    try {
      return process.kill(pid, 0)
    } catch {
      return false
    }
  }
  await expect.poll(() => [alive(), existsSync(folder)], { timeout: 10_000 }).toEqual([false, false])
})
