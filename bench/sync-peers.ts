import { execFile } from 'node:child_process'
import { cp, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { cacheFolder, findBinary, goFolders, goInstall } from '@stowage/test-support'

const run = promisify(execFile)

/** What `go install` is told. */
const modules: Record<string, string> = {
  rclone: 'github.com/rclone/rclone@v1.76.0',
  mc: 'github.com/minio/mc@v0.0.0-20250313080218-cf909e1063a9',
  s5cmd: 'github.com/peak/s5cmd/v2@v2.3.0',
}

const juicefs = 'github.com/juicedata/juicefs@v1.4.0'

/** What JuiceFS has beside its sync, left out: it is not raced, and takes long to build. */
const without =
  'nogateway,nowebdav,nocos,nobos,nohdfs,noibmcos,noobs,nooss,nosftp,noswift,noazure,nogs,noufile,nob2,nonfs,nodragonfly,nocifs,nosqlite,nomysql,nopg,notikv,nobadger,noetcd,nofdb,noredis,noqiniu'

/**
 * Finds a peer on the PATH, in Go's folder of programs or in the cache, or builds it into the cache.
 * @throws Error that says why it cannot be had
 */
export async function findPeer(name: string): Promise<string> {
  const found = findBinary(name, await goFolders())
  if (found !== undefined) return found
  if (name === 'juicefs') return await buildJuicefs()
  const module = modules[name]
  if (module === undefined)
    throw new Error(`there is no peer ${name}; there are ${[...Object.keys(modules), 'juicefs'].join(', ')}`)
  return await goInstall(module)
}

/** JuiceFS replaces modules by others, which `go install` refuses; so it is built in a copy of its source. */
async function buildJuicefs(): Promise<string> {
  const folder = join(cacheFolder(), `juicefs-${juicefs.split('@')[1]}`)
  const built = findBinary('juicefs', [folder])
  if (built !== undefined) return built
  const scratch = join(folder, 'source')
  try {
    await mkdir(folder, { recursive: true })
    const { stdout } = await run('go', ['mod', 'download', '-json', juicefs], { cwd: folder })
    const { Dir } = JSON.parse(stdout) as { Dir: string }
    await cp(Dir, scratch, { recursive: true })
    await run('chmod', ['-R', 'u+w', scratch])
    process.stderr.write('building juicefs (several minutes, once)\n')
    await run('go', ['build', '-tags', without, '-ldflags', '-s -w', '-o', join(folder, 'juicefs'), '.'], {
      cwd: scratch,
      maxBuffer: 64 * 1024 * 1024,
    })
    return join(folder, 'juicefs')
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

/** The first line of what a program says of its version. */
export async function versionOf(binary: string, name: string): Promise<string> {
  const { stdout } = await run(binary, name === 's5cmd' || name === 'rclone' ? ['version'] : ['--version'])
  return stdout.split('\n')[0] ?? ''
}
