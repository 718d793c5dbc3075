import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { tempDir } from '../tmp.ts'
import { startGuarded } from './guard.ts'

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** A process that makes a run's folder and starts a command, and prints both. */
function startOwner(): ChildProcess {
  const program = `
    const { createRunFolder, startGuarded } = await import(${JSON.stringify(join(import.meta.dirname, 'guard.ts'))})
    const folder = createRunFolder()
    const child = await startGuarded('sleep', ['600'], { log: folder.path + '/log' })
    console.log(JSON.stringify([folder.path, child.pid]))
    setInterval(() => {}, 1000)`
  return spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
}

it.each(['SIGINT', 'SIGTERM', 'SIGKILL'] as const)('leaves no process and no folder after %s', async (signal) => {
  const owner = startOwner()
  const [line] = (await once(owner.stdout as NodeJS.ReadableStream, 'data')) as [Buffer]
  const [folder, pid] = JSON.parse(line.toString()) as [string, number]
  expect([isAlive(pid), existsSync(folder)]).toEqual([true, true])
  owner.kill(signal)
  await expect.poll(() => [isAlive(pid), existsSync(folder)]).toEqual([false, false])
})

it('tells how a command ended', async () => {
  const log = join(tempDir(), 'log')
  const quick = await startGuarded('sh', ['-c', 'exit 3'], { log })
  expect(await quick.exited).toBe(3)
  expect(quick.running).toBe(false)
  const slow = await startGuarded('sleep', ['600'], { log })
  expect(slow.running).toBe(true)
  await slow.end()
  expect([slow.running, isAlive(slow.pid)]).toEqual([false, false])
  await slow.end()
})

it('kills a command that does not listen', async () => {
  const deaf = await startGuarded('sh', ['-c', 'trap "" TERM; while :; do sleep 0.1; done'], {
    log: join(tempDir(), 'log'),
  })
  await new Promise((resolve) => setTimeout(resolve, 200))
  await deaf.end('SIGTERM', 100)
  expect(await deaf.exited).toBe(128 + 9)
})
