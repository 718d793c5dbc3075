import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { cacheFolder, findBinary } from '../servers/find.ts'
import { ServerUnavailable } from '../servers/server.ts'

const run = promisify(execFile)

/** Alibaba's Python SDK, with the version that was tried. */
const sdk = 'oss2==2.19.1'

/**
 * Python with Alibaba's SDK: the interpreter, and the folder of packages for `PYTHONPATH`. Installed by pip into the cache, once.
 * @throws ServerUnavailable when there is no Python, no pip or no package index
 */
export async function pythonSdk(): Promise<{ python: string; packages: string }> {
  const python = findBinary('python3')
  if (python === undefined) throw new ServerUnavailable('oss2: no python3 on the PATH')
  const { stdout } = await run(python, ['-c', 'import sys; print("%d.%d" % sys.version_info[:2])'])
  const packages = join(cacheFolder(), `${sdk.replace('==', '-')}-python${stdout.trim()}`)
  if (existsSync(packages)) return { python, packages }
  const fresh = `${packages}.${process.pid}`
  mkdirSync(cacheFolder(), { recursive: true })
  process.stderr.write(`installing ${sdk} with pip (once)\n`)
  try {
    const options = ['--quiet', '--disable-pip-version-check', '--no-input', '--target', fresh]
    await run(python, ['-m', 'pip', 'install', ...options, sdk], { timeout: 240_000 })
    renameSync(fresh, packages)
  } catch (error) {
    // Another run may have been first.
    if (!existsSync(packages)) {
      const { stderr = '' } = error as { stderr?: string }
      throw new ServerUnavailable(
        `oss2: pip could not install it: ${stderr.trim().split('\n').at(-1) || String(error)}`,
      )
    }
  } finally {
    rmSync(fresh, { recursive: true, force: true })
  }
  return { python, packages }
}
