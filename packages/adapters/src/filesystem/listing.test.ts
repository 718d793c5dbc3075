import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import * as fsp from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { compareKeys, type FileSystem } from '@stowage/core'
import { expectCode } from '@stowage/core/testing'
import { runs, tempDir, testSeed } from '@stowage/test-support'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { keysOf, pagesOf, putAll, text } from '../testing/bytes.ts'
import { filesystem } from './index.ts'

function failing(code: string): Error {
  return Object.assign(new Error(`${code}: played`), { code })
}

/** The real file system, in which reading one folder does what the test says. */
function whenReading(folder: string, act: () => void): FileSystem {
  const readdir = (async (path: string, options: object) => {
    if (path === folder) act()
    return fsp.readdir(path, options as { withFileTypes: true })
  }) as unknown as FileSystem['readdir']
  return { ...fsp, readdir }
}

describe('listing a folder', () => {
  it('fails with access-denied when a folder cannot be read', async () => {
    const root = tempDir('root')
    await putAll(filesystem({ id: 'disk', root }), ['a/1', 'b/1', 'c/1'])
    const fs = whenReading(join(root, 'b'), () => {
      throw failing('EACCES')
    })
    const error = await expectCode(keysOf(filesystem({ id: 'disk', root, fs }), {}), 'access-denied')
    expect(error.message).toContain('"b/"')
  })

  it('fails with unavailable when a folder vanished that nobody deleted through this adapter', async () => {
    const root = tempDir('root')
    await putAll(filesystem({ id: 'disk', root }), ['a/1', 'b/1', 'c/1'])
    const fs = whenReading(join(root, 'b'), () => rmSync(join(root, 'b'), { recursive: true }))
    const error = await expectCode(keysOf(filesystem({ id: 'disk', root, fs }), {}), 'unavailable')
    expect(error.retryable).toBe(true)
  })

  it('goes on when a folder was emptied through this adapter', async () => {
    const root = tempDir('root')
    const keys = ['a/1', 'b/1', 'b/deep/2', 'c/1']
    const disk = filesystem({ id: 'disk', root })
    await putAll(disk, keys)
    const seen: string[] = []
    for await (const page of disk.list({ pageSize: 1 })) {
      seen.push(...page.objects.map(({ key }) => key))
      if (seen.length === 1) await disk.deleteMany(['b/1', 'b/deep/2'])
    }
    expect(seen).toEqual(['a/1', 'c/1'])
  })

  it('leaves out a file that vanished, and fails when a file cannot be looked at', async () => {
    const root = tempDir('root')
    await putAll(filesystem({ id: 'disk', root }), ['a', 'b', 'c'])
    const lstat = (code: string): FileSystem => ({
      ...fsp,
      lstat: ((path: string, options: object) =>
        path === join(root, 'b') ? Promise.reject(failing(code)) : fsp.lstat(path, options)) as FileSystem['lstat'],
    })
    expect(await keysOf(filesystem({ id: 'disk', root, fs: lstat('ENOENT') }), {})).toEqual(['a', 'c'])
    await expectCode(keysOf(filesystem({ id: 'disk', root, fs: lstat('EIO') }), {}), 'unavailable')
  })

  it('fails when the root is missing, or is replaced meanwhile as by an unmount', async () => {
    const parent = tempDir('parent')
    const root = join(parent, 'data')
    const disk = filesystem({ id: 'disk', root })
    await expectCode(keysOf(disk, {}), 'bucket-not-found')
    await expectCode(keysOf(disk, { prefix: 'a/' }), 'bucket-not-found')
    mkdirSync(root)
    await putAll(disk, ['a/1', 'b/1'])
    const replaced = (async () => {
      for await (const page of disk.list({ pageSize: 1 })) {
        expect(page.objects.length).toBe(1)
        rmSync(root, { recursive: true })
        mkdirSync(root)
        writeFileSync(join(root, 'other'), '')
      }
    })()
    await expectCode(replaced, 'unavailable')
  })

  it('names what cannot be an object: names that are not UTF-8 as a problem, sockets and pipes as left out', async () => {
    const root = tempDir('root')
    const disk = filesystem({ id: 'disk', root })
    await disk.put('folder/good', text('x'))
    writeFileSync(Buffer.concat([Buffer.from(`${root}/folder/`), Buffer.from([0x62, 0x61, 0x64, 0xff, 0xfe])]), 'x')
    execFileSync('mkfifo', [join(root, 'pipe')])
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(join(root, 'socket'), resolve))
    try {
      const pages = await pagesOf(disk, {})
      expect(pages.flatMap((page) => page.objects.map(({ key }) => key))).toEqual(['folder/good'])
      const skipped = pages.flatMap((page) => page.skipped ?? [])
      expect(skipped.map(({ name, severity }) => [name, severity]).sort()).toEqual([
        ['folder/bad\ufffd\ufffd', 'problem'],
        ['pipe', 'ignored'],
        ['socket', 'ignored'],
      ])
      await expectCode(disk.get('pipe'), 'not-found')
    } finally {
      await new Promise((resolve) => server.close(resolve))
    }
  })

  it('hides the work folder at the root, and only there', async () => {
    const root = tempDir('root')
    const disk = filesystem({ id: 'disk', root })
    await disk.put('a', text('x'), { metadata: { x: '1' } })
    await disk.put('sub/.stowage-fs/x', text('x'))
    await disk.multipart.create('upload')
    expect(await keysOf(disk, {})).toEqual(['a', 'sub/.stowage-fs/x'])
    expect(await keysOf(disk, { prefix: '.stowage' })).toEqual([])
    expect(await keysOf(disk, { prefix: '.stowage-fs/' })).toEqual([])
    await expectCode(disk.get('.stowage-fs/tmp'), 'invalid-key')
  })

  it('does not take folders without files for prefixes', async () => {
    const root = tempDir('root')
    mkdirSync(join(root, 'empty/deeper'), { recursive: true })
    const disk = filesystem({ id: 'disk', root })
    await disk.put('full/x', text('x'))
    const pages = await pagesOf(disk, { delimiter: '/' })
    expect(pages.flatMap((page) => page.prefixes)).toEqual(['full/'])
  })

  it('agrees with a sorted list of keys, from any position, for any tree', async () => {
    const part = fc.constantFrom('a', 'b', 'a-', 'a.', 'a0', 'ab', '\u00e9', '\uff5e', '😀', ' ', '!')
    const key = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'))
    const position = fc.oneof(
      key,
      key.map((text) => `${text}/`),
      fc.constant(''),
    )
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(key, { maxLength: 25 }),
        position,
        position,
        fc.integer({ min: 1, max: 5 }),
        async (all, prefix, startAfter, pageSize) => {
          // A file system cannot hold both "a" and "a/b".
          const keys = all.filter((one) => !all.some((other) => other.startsWith(`${one}/`)))
          const disk = filesystem({ id: 'disk', root: await fsp.mkdtemp(join(parent, 'tree-')) })
          await putAll(disk, keys)
          const expected = keys.filter((one) => one.startsWith(prefix) && compareKeys(one, startAfter) > 0)
          expect(await keysOf(disk, { prefix, startAfter, pageSize })).toEqual(expected.sort(compareKeys))
        },
      ),
      { numRuns: runs(60, 2000), seed: testSeed() },
    )
  })
})

const parent = tempDir('trees')
