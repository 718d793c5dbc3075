import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { ownRun, repository, startOwnRun } from './run/own-run.ts'

const imports = "import { beforeAll, describe, expect, it } from 'vitest'\n"

it('ends with the counts, and passes when nothing failed', async () => {
  const { code, lines } = await ownRun({
    'a.test.js': `${imports}it('one', () => {})\nit('two', () => {})`,
    'b.test.js': `${imports}it('three', ({ skip }) => skip('no such server'))`,
  })
  expect([code, lines.at(-1)]).toEqual([0, '2 passed, 0 failed, 1 skipped'])
  expect(lines).toContain('skipped 1: no such server')
  expect(lines.at(-2)).toMatch(/three$/)
})

it('counts as failed whatever keeps tests from running', async () => {
  const { code, lines } = await ownRun({
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
  const { code, lines } = await ownRun({ 'a.js': '' })
  expect([code, lines.at(-1)]).toEqual([1, '0 passed, 1 failed'])
})

it('leaves nothing behind when it is interrupted', async () => {
  const guard = JSON.stringify(join(repository, 'test/src/run/guard.ts'))
  const child = startOwnRun({
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
  await expect.poll(() => printed).toMatch(/started \[.*\]/)
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
  await expect.poll(() => [alive(), existsSync(folder)]).toEqual([false, false])
})
