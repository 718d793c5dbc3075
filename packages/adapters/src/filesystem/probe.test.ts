import { readdir, writeFile } from 'node:fs/promises'
import { systemFiles } from '@stowage/core'
import { tempDir } from '@stowage/test-support'
import { expect, it } from 'vitest'
import { filesystem } from './index.ts'

it('writes the canary once into the work folder, and leaves nothing else', async () => {
  const root = await tempDir()
  const disk = filesystem({ id: 'disk', root })
  for (let i = 0; i < 3; i++) expect(await disk.probe()).toMatchObject({ ok: true, writable: true })
  expect((await disk.probe()).checks.map(({ name, ok }) => [name, ok])).toEqual([
    ['read', true],
    ['write', true],
    ['delete', true],
  ])
  expect(await readdir(`${root}/.stowage-fs/probe`)).toEqual(['canary-1'])
  expect(await readdir(`${root}/.stowage-fs/tmp`)).toEqual([])
  for await (const page of disk.list()) expect(page.objects).toEqual([])
})

it('writes nothing where it is read only', async () => {
  const root = await tempDir()
  expect(await filesystem({ id: 'disk', root, readOnly: true }).probe()).toMatchObject({ ok: true })
  expect(await readdir(root)).toEqual([])
})

it('serves readers of a disk that is mounted read only, or full', async () => {
  const root = await tempDir()
  for (const [errno, code] of [
    ['EROFS', 'access-denied'],
    ['ENOSPC', 'no-space'],
  ] as const) {
    const failing = async (): Promise<never> => {
      throw Object.assign(new Error(errno), { code: errno })
    }
    const open: typeof systemFiles.open = (path, flags, ...rest) =>
      flags === 'wx' ? failing() : systemFiles.open(path, flags, ...rest)
    const disk = filesystem({ id: 'disk', root, fs: { ...systemFiles, open, mkdir: failing as never } })
    const checks = [{ ok: true }, { name: 'write', ok: false, error: { code } }]
    expect(await disk.probe()).toMatchObject({ ok: true, writable: false, checks })
  }
})

it('tells a root that is missing and a canary that is damaged', async () => {
  const root = await tempDir()
  expect(await filesystem({ id: 'disk', root: `${root}/none` }).probe()).toMatchObject({
    ok: false,
    failure: 'missing',
  })
  const disk = filesystem({ id: 'disk', root })
  await disk.probe()
  await writeFile(`${root}/.stowage-fs/probe/canary-1`, 'cut')
  expect(await disk.probe()).toMatchObject({ ok: false, failure: 'integrity' })
})
