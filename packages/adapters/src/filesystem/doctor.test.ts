import { readdir } from 'node:fs/promises'
import { systemFiles } from '@stowage/core'
import { tempDir } from '@stowage/test-support'
import { expect, it } from 'vitest'
import { filesystem } from './index.ts'

function failing(errno: string): Promise<never> {
  return Promise.reject(Object.assign(new Error(errno), { code: errno }))
}

it('finds a folder well, and leaves nothing behind', async () => {
  const root = await tempDir()
  const diagnosis = await filesystem({ id: 'disk', root }).diagnose?.()
  expect(diagnosis?.permissions).toEqual({ list: true, get: true, put: true, delete: true })
  const found = diagnosis?.findings.map(({ code, severity }) => [code, severity])
  expect(found?.filter(([code]) => code !== 'free-space')).toEqual([
    ['root', 'ok'],
    ['probe', 'ok'],
    ['work-folder', 'ok'],
    ['case-folding', 'ok'],
    ['name-length', 'ok'],
  ])
  expect(found?.some(([code]) => code === 'free-space')).toBe(true)
  expect(await readdir(`${root}/.stowage-fs/tmp`)).toEqual([])
})

it('tells a root that is missing', async () => {
  const root = `${await tempDir()}/none`
  const diagnosis = await filesystem({ id: 'disk', root }).diagnose?.()
  expect(diagnosis).toMatchObject({ permissions: {}, findings: [{ severity: 'error', code: 'root' }] })
})

it('tells a folder that cannot be written', async () => {
  const open: typeof systemFiles.open = (path, flags, ...rest) =>
    flags === 'wx' ? failing('EACCES') : systemFiles.open(path, flags, ...rest)
  const fs = { ...systemFiles, open, mkdir: () => failing('EACCES') }
  const diagnosis = await filesystem({
    id: 'disk',
    root: await tempDir(),
    fs: fs as typeof systemFiles,
  }).diagnose?.()
  expect(diagnosis?.permissions).toEqual({ list: true, get: true, put: false, delete: false })
  expect(diagnosis?.findings.find(({ code }) => code === 'probe')).toMatchObject({ severity: 'warning' })
})

it('tells a disk that folds names, takes no long ones, or mounts the work folder', async () => {
  const lstat = (async (path: string, ...rest: []) =>
    systemFiles.lstat(path.replace('-case-', '-Case-'), ...rest)) as typeof systemFiles.lstat
  const open: typeof systemFiles.open = (path, ...rest) =>
    String(path).includes('xxxxx') ? failing('ENAMETOOLONG') : systemFiles.open(path, ...rest)
  const stat = (async (path: string, ...rest: []) => {
    const status = await systemFiles.stat(path, ...rest)
    return path.endsWith('/tmp') ? Object.assign(status, { dev: status.dev + 1 }) : status
  }) as typeof systemFiles.stat
  const disk = filesystem({ id: 'disk', root: await tempDir(), fs: { ...systemFiles, lstat, open, stat } })
  const codes = (await disk.diagnose?.())?.findings.filter(({ severity }) => severity !== 'ok').map(({ code }) => code)
  expect(codes).toEqual(expect.arrayContaining(['case-folding', 'name-length', 'work-folder']))
})

it.for([
  [0, 'error'],
  [1, 'warning'],
  [90, 'ok'],
] as const)('tells how much space is left: %i GiB of 100', async ([free, severity]) => {
  const statfs = (async () => ({ bsize: 1024 ** 3, blocks: 100, bavail: free })) as never
  const disk = filesystem({ id: 'disk', root: await tempDir(), fs: { ...systemFiles, statfs } })
  const finding = (await disk.diagnose?.())?.findings.find(({ code }) => code === 'free-space')
  expect(finding).toMatchObject({ severity, message: `${free}.0 GiB of 100.0 GiB are free.` })
})

it('writes nothing where it is read only', async () => {
  const root = await tempDir()
  const diagnosis = await filesystem({ id: 'disk', root, readOnly: true }).diagnose?.()
  expect(diagnosis?.permissions).toEqual({ list: true, get: true })
  expect(await readdir(root)).toEqual([])
})
