import { execFile } from 'node:child_process'
import {
  accessSync,
  constants,
  copyFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { runFolder, startGuarded } from '../run/guard.ts'

const run = promisify(execFile)

export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** The first of `name` on the PATH and in `folders` that can be executed. */
export function findBinary(name: string, folders: readonly string[] = []): string | undefined {
  const all = [...(process.env['PATH'] ?? '').split(delimiter), ...folders].filter((folder) => folder !== '')
  return all.map((folder) => join(folder, name)).find(isExecutable)
}

/** Folders where `go install` puts programs. */
export async function goFolders(): Promise<string[]> {
  try {
    const { stdout } = await run('go', ['env', 'GOBIN', 'GOPATH'])
    const [bin = '', path = ''] = stdout.split('\n')
    return [bin, ...path.split(delimiter).map((folder) => (folder === '' ? '' : join(folder, 'bin')))].filter(Boolean)
  } catch {
    return []
  }
}

/** Where servers that were built for the tests are kept between runs. */
export function cacheFolder(): string {
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'stowage-test')
}

/**
 * Builds a Go program into the cache, once, also when several runs want it at the same time.
 * @param module path with version: `github.com/minio/minio@v0.0.0-…`
 */
export async function goInstall(module: string): Promise<string> {
  const [path = '', version = ''] = module.split('@')
  // The folder of a major version is not the program's name.
  const name =
    path
      .replace(/\/v\d+$/, '')
      .split('/')
      .at(-1) ?? ''
  const folder = join(cacheFolder(), `${name}-${version}`)
  const binary = join(folder, name)
  if (isExecutable(binary)) return binary
  mkdirSync(folder, { recursive: true })
  const release = await lock(join(folder, 'building'))
  try {
    if (isExecutable(binary)) return binary
    process.stderr.write(`building ${name} with go install ${module} (some minutes, once)\n`)
    const started = Date.now()
    const seconds = (): string => `${Math.round((Date.now() - started) / 1000)} s`
    const ticker = setInterval(() => process.stderr.write(`still building ${name} (${seconds()})\n`), 30_000)
    // What an interrupted build leaves goes with the run's folder; only a finished one reaches the cache.
    const scratch = join(runFolder(), `build-${name}`)
    const fresh = join(folder, `${name}.${process.pid}`)
    mkdirSync(join(scratch, 'tmp'), { recursive: true })
    const log = join(scratch, 'log')
    try {
      const env = { ...process.env, GOBIN: scratch, GOTMPDIR: join(scratch, 'tmp') }
      const build = await startGuarded('go', ['install', module], { env, log })
      const status = await build.exited
      if (status !== 0) throw new Error(`go install ${module} failed:\n${readFileSync(log, 'utf8').slice(-2_000)}`)
      copyFileSync(join(scratch, name), fresh)
      renameSync(fresh, binary)
      process.stderr.write(`built ${name} in ${seconds()}\n`)
      return binary
    } finally {
      clearInterval(ticker)
      rmSync(fresh, { force: true })
      rmSync(scratch, { recursive: true, force: true })
    }
  } finally {
    release()
  }
}

/**
 * Takes a lock file that names its holder's process; that of a dead process is taken over. Two that take it over at the
 * same moment may both hold it: they would build twice, which costs time and nothing else.
 */
async function lock(path: string): Promise<() => void> {
  const mine = `${path}.${process.pid}`
  for (;;) {
    try {
      writeFileSync(path, String(process.pid), { flag: 'wx' })
      return () => rmSync(path, { force: true })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    if (holderIsDead(path)) {
      // Renaming succeeds for one of several that see the dead holder.
      try {
        renameSync(path, mine)
        rmSync(mine)
      } catch {
        // Another one was first.
      }
      continue
    }
    await sleep(500)
  }
}

function holderIsDead(path: string): boolean {
  try {
    process.kill(Number(readFileSync(path, 'utf8')), 0)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
}
