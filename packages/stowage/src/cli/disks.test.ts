import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, chownSync, cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cliProgram, nodeArgs, runCli, tempDir } from '@stowage/test-support'
import { describe, expect, it, onTestFinished } from 'vitest'

const MIB = 1024 * 1024
/** Mounting and being somebody else need the superuser. */
const isRoot = process.getuid?.() === 0

function configure(cwd: string, roots: Record<string, string>): void {
  for (const root of Object.values(roots)) mkdirSync(join(cwd, root), { recursive: true })
  const sources = Object.entries(roots).map(([id, root]) => ({ id, type: 'filesystem', root, isPublic: id === 'a' }))
  const policies = roots.b === undefined ? [] : [{ id: 'inward', on: 'publish', from: 'a', to: 'b' }]
  writeFileSync(join(cwd, 'stowage.config.json'), JSON.stringify({ sources, policies }))
}

/** A disk of so many bytes. */
function smallDisk(path: string, size: number): boolean {
  mkdirSync(path, { recursive: true })
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', path]).status !== 0) return false
  onTestFinished(() => {
    execFileSync('umount', ['-l', path])
  })
  return true
}

function fill(folder: string, files: number): void {
  mkdirSync(folder, { recursive: true })
  for (let i = 0; i < files; i++) writeFileSync(join(folder, `f${i}`), Buffer.alloc(MIB, i))
}

describe.skipIf(!isRoot)('a disk that fills up', () => {
  it('in a sync: no-space, nothing half written, the catalog usable; with space it goes on', async ({ skip }) => {
    const cwd = tempDir('full')
    configure(cwd, { a: 'a', b: 'b' })
    if (!smallDisk(join(cwd, 'b'), 3.5 * MIB)) skip('no tmpfs can be mounted here')
    fill(join(cwd, 'a', 'raw'), 6)
    const full = await runCli(['sync', 'a:raw', 'b:raw', '--json'], { cwd })
    expect(full.code, full.stderr).toBe(1)
    const result = JSON.parse(full.stdout)
    expect(result.errors.map((e: { code: string }) => e.code)).toContain('no-space')
    for (const name of readdirSync(join(cwd, 'b', 'raw')))
      expect(execFileSync('stat', ['-c', '%s', join(cwd, 'b', 'raw', name)], { encoding: 'utf8' }).trim()).toBe(
        String(MIB),
      )
    execFileSync('mount', ['-o', `remount,size=${20 * MIB}`, join(cwd, 'b')])
    expect((await runCli(['sync', 'a:raw', 'b:raw'], { cwd })).code).toBe(0)
  })

  it('in a policy: exit 1, the version stands, the replica is not ready; with space the next command brings it', async ({
    skip,
  }) => {
    const cwd = tempDir('full')
    configure(cwd, { a: 'a', b: 'b' })
    if (!smallDisk(join(cwd, 'b'), 3.5 * MIB)) skip('no tmpfs can be mounted here')
    fill(join(cwd, 'folder'), 6)
    await runCli(['dataset', 'create', 'cats'], { cwd })
    const put = await runCli(['dataset', 'put', 'cats', 'folder', '--user-type', 'external', '--json'], { cwd })
    expect(put.code, put.stderr).toBe(1)
    expect(JSON.parse(put.stdout)).toMatchObject({
      version: { number: 1 },
      replications: [{ to: 'b', status: 'failed', error: { code: 'no-space' } }],
    })
    const show = async () => JSON.parse((await runCli(['dataset', 'show', 'cats', '--json'], { cwd })).stdout)
    expect((await show()).replicas.map((r: { status: string }) => r.status)).toEqual(['ready', 'error'])
    execFileSync('mount', ['-o', `remount,size=${20 * MIB}`, join(cwd, 'b')])
    await runCli(['dataset', 'create', 'dogs'], { cwd })
    fill(join(cwd, 'other'), 1)
    expect((await runCli(['dataset', 'put', 'dogs', 'other', '--user-type', 'external'], { cwd })).code).toBe(0)
    expect((await show()).replicas.map((r: { status: string }) => r.status)).toEqual(['ready', 'ready'])
  })

  it('in a download: no-space, only whole files; with space it goes on', async ({ skip }) => {
    const cwd = tempDir('full')
    configure(cwd, { a: 'a' })
    if (!smallDisk(join(cwd, 'out'), 3.5 * MIB)) skip('no tmpfs can be mounted here')
    fill(join(cwd, 'folder'), 6)
    await runCli(['dataset', 'create', 'cats'], { cwd })
    expect((await runCli(['dataset', 'put', 'cats', 'folder'], { cwd })).code).toBe(0)
    const full = await runCli(['dataset', 'get', 'cats', 'out', '--json'], { cwd })
    expect(full.code, full.stderr).toBe(1)
    expect(JSON.parse(full.stdout)).toMatchObject({ status: 'failed', error: { code: 'no-space' } })
    expect(full.stderr).not.toContain('    at ')
    execFileSync('mount', ['-o', `remount,size=${20 * MIB}`, join(cwd, 'out')])
    const again = await runCli(['dataset', 'get', 'cats', 'out', '--json'], { cwd })
    expect(JSON.parse(again.stdout)).toMatchObject({ files: 6 })
    expect(readdirSync(join(cwd, 'out'))).toHaveLength(6)
  })
})

describe('an output that takes nothing', () => {
  it('a reader that is gone changes no exit code, a full disk does', async () => {
    const cwd = tempDir('pipe')
    configure(cwd, { a: 'a' })
    const node = `${[process.execPath, ...nodeArgs].join(' ')} --input-type=module -e '${cliProgram}' --`
    const shell = (line: string) => spawnSync('bash', ['-c', line], { cwd, encoding: 'utf8' })
    // Gone before the first byte, for results and for errors.
    expect(shell(`${node} source list 2>err | true; echo \${PIPESTATUS[0]}`).stdout).toBe('0\n')
    expect(shell(`${node} dataset show nothing --json 2>&1 | true; echo \${PIPESTATUS[0]}`).stdout).toBe('1\n')
    expect(shell(`${node} source list >/dev/full; echo $?`).stdout).toBe('1\n')
  })
})

describe.skipIf(!isRoot)('another user', () => {
  /** Runs the command line as nobody. */
  function asNobody(cwd: string, ...args: string[]) {
    const options = [...nodeArgs, '--input-type=module', '-e', cliProgram]
    return spawnSync(process.execPath, [...options, '--', ...args], {
      cwd,
      uid: 65534,
      gid: 65534,
      encoding: 'utf8',
      env: { ...process.env, HOME: cwd, NODE_NO_WARNINGS: '1' },
    })
  }

  it('a file that cannot be read is one failed object; a folder that cannot be written is told', async ({ skip }) => {
    const cwd = tempDir('nobody')
    if (asNobody('/', '--version').status !== 0) skip('another user cannot reach the sources here')
    configure(cwd, { a: 'a' })
    fill(join(cwd, 'folder'), 3)
    cpSync(join(cwd, 'folder'), join(cwd, 'a', 'raw'), { recursive: true })
    chmodSync(join(cwd, '..'), 0o711)
    for (const path of ['.', 'a', 'folder']) {
      chownSync(join(cwd, path), 65534, 65534)
      chmodSync(join(cwd, path), 0o755)
    }
    chmodSync(join(cwd, 'folder', 'f1'), 0o600)
    chmodSync(join(cwd, 'a', 'raw', 'f1'), 0o600)
    const sync = asNobody(cwd, 'sync', 'a:raw', 'a:copy', '--json')
    expect(sync.status, sync.stderr).toBe(1)
    expect(JSON.parse(sync.stdout)).toMatchObject({
      status: 'failed',
      objects: { copied: 2, failed: 1 },
      errors: [{ key: 'f1', code: 'access-denied' }],
    })
    expect(asNobody(cwd, 'dataset', 'create', 'cats').status).toBe(0)
    const put = asNobody(cwd, 'dataset', 'put', 'cats', 'folder', '--json')
    expect(put.status, put.stderr).toBe(1)
    expect(JSON.parse(put.stdout)).toMatchObject({
      error: { key: 'f1', code: 'access-denied' },
      errors: [{ key: 'f1', code: 'access-denied' }],
    })
    chmodSync(join(cwd, 'folder', 'f1'), 0o644)
    const again = asNobody(cwd, 'dataset', 'put', 'cats', 'folder', '--json')
    expect(again.status, again.stderr).toBe(0)
    expect(JSON.parse(again.stdout)).toMatchObject({ files: 3, transferred: MIB })
    const to = join(cwd, 'readonly')
    mkdirSync(to)
    const get = asNobody(cwd, 'dataset', 'get', 'cats', 'readonly', '--json')
    expect(get.status).toBe(1)
    expect(JSON.parse(get.stdout)).toMatchObject({ error: { code: 'access-denied' } })
    rmSync(to, { recursive: true })
  })
})
