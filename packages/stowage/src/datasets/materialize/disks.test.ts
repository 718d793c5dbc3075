import * as fsp from 'node:fs/promises'
import { join } from 'node:path'
import type { FileSystem } from '@stowage/core'
import { expectCode } from '@stowage/core/testing'
import { tempDir } from '@stowage/test-support'
import { expect, it } from 'vitest'
import { materialize } from './materialize.ts'
import { STAMP } from './stamp.ts'
import { bytesOf, published, wrongFiles } from './testing.ts'

const failing = (code: string): Error => Object.assign(new Error(code), { code })

function places() {
  const root = tempDir('disks')
  return { dir: join(root, 'out'), cacheDir: join(root, 'cache') }
}

it('what exceeds the links that a file may have is copied', async () => {
  const files = { a: bytesOf(10, 1), b: bytesOf(10, 1), c: bytesOf(10, 1), d: bytesOf(10, 2) }
  const { context, place } = await published(files)
  const { dir, cacheDir } = places()
  const links = new Map<string, number>()
  const link: FileSystem['link'] = async (from, to) => {
    const count = (links.get(String(from)) ?? 0) + 1
    links.set(String(from), count)
    if (count > 1) throw failing('EMLINK')
    await fsp.link(from, to)
  }
  const done = await materialize(context, place, { dir, cacheDir, concurrency: 1 }, { ...fsp, link })
  expect(done).toMatchObject({ hardLinks: 2, copies: 2 })
  expect(await wrongFiles(dir, files)).toEqual([])
})

it('the cache of another user, which can only be read, is used', async () => {
  const files = { a: bytesOf(10, 1), b: bytesOf(20, 2) }
  const { context, place } = await published(files)
  const { dir, cacheDir } = places()
  await materialize(context, place, { dir, cacheDir })
  for (const one of await fsp.readdir(join(cacheDir, 'objects'), { recursive: true, withFileTypes: true })) {
    if (one.isFile()) await fsp.utimes(join(one.parentPath, one.name), STAMP, STAMP)
  }
  // What Linux answers to those who do not own a file.
  const guarded = (path: unknown): void => {
    if (String(path).startsWith(cacheDir)) throw failing('EPERM')
  }
  const fs: FileSystem = {
    ...fsp,
    async utimes(path, ...times) {
      guarded(path)
      await fsp.utimes(path, ...times)
    },
    async link(from, to) {
      guarded(from)
      await fsp.link(from, to)
    },
  }
  const other = `${dir}-other`
  expect(await materialize(context, place, { dir: other, cacheDir }, fs)).toMatchObject({ copies: 2, fetched: 0 })
  expect(await wrongFiles(other, files)).toEqual([])
})

it('a file whose last bytes could not be stored, as is told when it is closed, is not kept', async () => {
  const files = { a: bytesOf(1000, 1) }
  const { context, place } = await published(files)
  const { dir, cacheDir } = places()
  const open: FileSystem['open'] = async (...args) => {
    const handle = await fsp.open(...args)
    if (!String(args[0]).includes('partial')) return handle
    const close = async (): Promise<void> => {
      await handle.write(Buffer.alloc(10), 0, 10, 990)
      await handle.utimes(STAMP, STAMP)
      await handle.close()
      throw failing('EDQUOT')
    }
    return new Proxy(handle, {
      get(target, property) {
        if (property === 'close') return close
        const value: unknown = Reflect.get(target, property, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  }
  await expectCode(materialize(context, place, { dir, cacheDir }, { ...fsp, open }), 'no-space')
  expect(await wrongFiles(dir, files)).toEqual([])
  await materialize(context, place, { dir, cacheDir })
  expect(await wrongFiles(dir, files)).toEqual([])
})

it('rot behind a time that was put back is found by verify, and goes from the cache too', async () => {
  const files = { a: bytesOf(10, 1), b: bytesOf(20, 2) }
  const { context, place } = await published(files)
  const { dir, cacheDir } = places()
  await materialize(context, place, { dir, cacheDir })
  const a = join(dir, 'a')
  await fsp.chmod(a, 0o644)
  await fsp.writeFile(a, bytesOf(10, 9))
  await fsp.utimes(a, STAMP, STAMP)
  await expectCode(materialize(context, place, { dir, cacheDir, verify: true }), 'conflict')
  await materialize(context, place, { dir, cacheDir, verify: true, repair: true })
  const other = `${dir}-other`
  await materialize(context, place, { dir: other, cacheDir })
  for (const folder of [dir, other]) expect(await wrongFiles(folder, files)).toEqual([])
})
