/** Runs of vitest within a test, with our reporter and set-up: to see what they say of test files of all kinds. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { tempDir } from '../tmp.ts'

/** The root of the repository. */
export const repository: string = resolve(import.meta.dirname, '../../..')

const ofOuterRun = ['STOWAGE_TEST_RUN_DIR', 'STOWAGE_TEST_SEED', 'STOWAGE_TEST_MARKER', 'FORCE_COLOR', 'VITEST']

/** Starts a run of its own on these test files. @param folder where they are put */
export function startOwnRun(files: Readonly<Record<string, string>>, folder: string = tempDir('run')): ChildProcess {
  const config = {
    reporters: ['default', join(repository, 'test/src/reporter.ts')],
    globalSetup: [join(repository, 'test/src/run/setup.ts')],
    setupFiles: [join(repository, 'test/src/secrets/worker.ts')],
  }
  const all = { ...files, 'vitest.config.js': `export default ${JSON.stringify({ test: config })}` }
  for (const [name, content] of Object.entries(all)) writeFileSync(join(folder, name), content)
  symlinkSync(join(repository, 'node_modules'), join(folder, 'node_modules'))
  mkdirSync(join(folder, 'tmp'))
  const env: NodeJS.ProcessEnv = { ...process.env, TMPDIR: join(folder, 'tmp'), CI: '', NO_COLOR: '1' }
  for (const name of ofOuterRun) delete env[name]
  const vitest = join(repository, 'node_modules/vitest/vitest.mjs')
  return spawn(process.execPath, [vitest, 'run', '--root', folder], { env, stdio: ['ignore', 'pipe', 'pipe'] })
}

/** Waits for such a run: its exit code, the lines on its stdout, and its stderr. */
export async function ownRun(
  files: Readonly<Record<string, string>>,
  folder?: string,
): Promise<{ code: number; lines: string[]; stderr: string }> {
  const child = startOwnRun(files, folder)
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout as NodeJS.ReadableStream & AsyncIterable<Buffer>),
    text(child.stderr as NodeJS.ReadableStream & AsyncIterable<Buffer>),
    once(child, 'exit') as Promise<[number]>,
  ])
  return { code, lines: stdout.trimEnd().split('\n'), stderr }
}
