import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import * as fsp from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { FileSystem } from '@stowage/core'
import { expectCode } from '@stowage/core/testing'
import { tempDir } from '@stowage/test-support'
import { describe, expect, it } from 'vitest'
import { materialize } from './materialize.ts'
import { bytesOf, published, wrongFiles } from './testing.ts'

function places() {
  const root = tempDir('paths')
  return { dir: join(root, 'out'), cacheDir: join(root, 'cache'), root }
}

/** A disk that does not tell names by their case, and keeps the case in which one was written first. */
function caseless(root: string): FileSystem {
  const real = (path: unknown): string => {
    const text = String(path)
    if (!text.startsWith(`${root}/`)) return text
    let at = root
    for (const part of text.slice(root.length + 1).split('/')) {
      const names = (() => {
        try {
          return readdirSync(at)
        } catch {
          return []
        }
      })()
      at = join(at, names.find((name) => name.toLowerCase() === part.toLowerCase()) ?? part)
    }
    return at
  }
  return new Proxy(fsp, {
    get(target, property) {
      const call = Reflect.get(target, property) as (...args: unknown[]) => unknown
      return (first: unknown, second: unknown, ...rest: unknown[]) =>
        call(
          real(first),
          ['link', 'rename', 'copyFile', 'symlink'].includes(String(property)) ? real(second) : second,
          ...rest,
        )
    },
  })
}

describe('paths of a version', () => {
  it.each([
    ['../out', 'x'],
    ['a/../../b', 'x'],
    ['/etc/x', 'x'],
    ['a//b', 'x'],
    ['./a', 'x'],
    ['a\0b', 'x'],
    ['.stowage-version.json', 'x'],
    ['.stowage-tmp-x', 'x'],
    [`${'x'.repeat(256)}`, 'x'],
  ])('%j of a forged manifest gets nowhere', async (path, name) => {
    const { context, place } = await published({ [name]: bytesOf(10, 1) }, { entries: (entry) => ({ ...entry, path }) })
    const { dir, cacheDir, root } = places()
    const error = await expectCode(materialize(context, place, { dir, cacheDir }), 'invalid-key')
    expect(error.key).toBe(path)
    expect(readdirSync(root).sort()).toEqual(['cache', 'out'])
    expect(readdirSync(dir)).toEqual(['.stowage-version.json'])
  })

  it('a file that is also a folder is refused', async () => {
    const { context, place } = await published(
      { a: bytesOf(10, 1), b: bytesOf(10, 2) },
      { entries: (entry) => (entry.path === 'b' ? { ...entry, path: 'a/b' } : entry) },
    )
    const { dir, cacheDir } = places()
    await expectCode(materialize(context, place, { dir, cacheDir, from: 'mount' }), 'invalid-key')
  })

  it.each([{}, { repair: true }, { link: 'copy', repair: true }] as const)(
    'a link that took the place of a folder leads nowhere, with %j',
    async (options) => {
      const files = { 'deep/a/b': bytesOf(10, 1), c: bytesOf(10, 2) }
      const { context, place } = await published(files)
      const { dir, cacheDir, root } = places()
      await materialize(context, place, { dir, cacheDir })
      // What was made is moved to where the user keeps it, changed there, and linked to.
      const kept = join(root, 'kept')
      await fsp.rename(join(dir, 'deep'), kept)
      await fsp.rm(join(kept, 'a', 'b'))
      writeFileSync(join(kept, 'a', 'b'), 'my own work')
      await fsp.symlink(kept, join(dir, 'deep'))
      const error = await expectCode(materialize(context, place, { dir, cacheDir, ...options }), 'conflict')
      expect(error.message).toContain('is no folder')
      expect(readFileSync(join(kept, 'a', 'b'), 'utf8')).toBe('my own work')
    },
  )

  it('a path that is a folder already is told, and left', async () => {
    const { context, place } = await published({ 'a/b': bytesOf(10, 1), c: bytesOf(10, 2) })
    const { dir, cacheDir } = places()
    await materialize(context, place, { dir, cacheDir })
    await fsp.rm(join(dir, 'c'))
    mkdirSync(join(dir, 'c'))
    await expectCode(materialize(context, place, { dir, cacheDir, repair: true }), 'conflict')
    await fsp.rm(join(dir, 'a'), { recursive: true })
    await fsp.rmdir(join(dir, 'c'))
    writeFileSync(join(dir, 'a'), 'mine')
    const error = await expectCode(materialize(context, place, { dir, cacheDir, repair: true }), 'conflict')
    expect(error.key).toBe('a/b')
    expect(readFileSync(join(dir, 'a'), 'utf8')).toBe('mine')
  })

  it('names of 255 bytes and paths of 800 are made, below a long folder too', async () => {
    const deep = `${'d'.repeat(200)}/${'e'.repeat(200)}/${'f'.repeat(142)}/${'ä'.repeat(127)}x`
    const files = {
      [deep]: bytesOf(10, 1),
      [`${'ü'.repeat(127)}y`]: bytesOf(20, 2),
      'a b+c%25\u{1f600}': bytesOf(5, 3),
    }
    const { context, place } = await published(files)
    const { dir, cacheDir } = places()
    const long = join(dir, 'x'.repeat(200), 'y'.repeat(200))
    await materialize(context, place, { dir: long, cacheDir })
    expect(await wrongFiles(long, files)).toEqual([])
  })

  it('a name that is too long for the disk is told by its key', async () => {
    const { context, place } = await published({ ['n'.repeat(200)]: bytesOf(10, 1) })
    const { dir, cacheDir } = places()
    const short: FileSystem = {
      ...fsp,
      lstat: (async (path: string, ...rest: []) => {
        if (basename(path).length > 143) throw Object.assign(new Error('long'), { code: 'ENAMETOOLONG' })
        return fsp.lstat(path, ...rest)
      }) as FileSystem['lstat'],
    }
    const error = await expectCode(materialize(context, place, { dir, cacheDir }, short), 'invalid-key')
    expect(error.message).toContain('n'.repeat(200))
  })

  it('names that differ by case are two files, and a collision on a disk that ignores it', async () => {
    const files = { 'p/A.txt': bytesOf(10, 1), 'p/a.txt': bytesOf(10, 2) }
    const { context, place } = await published(files)
    const { dir, cacheDir } = places()
    await materialize(context, place, { dir, cacheDir })
    expect(await wrongFiles(dir, files)).toEqual([])

    for (const link of ['auto', 'copy'] as const) {
      const other = `${dir}-${link}`
      const fs = caseless(other)
      const options = { dir: other, cacheDir, link, repair: true, concurrency: 1 } as const
      for (let i = 0; i < 2; i++) {
        const error = await expectCode(materialize(context, place, options, fs), 'conflict')
        expect(error.message).toContain('"p/A.txt"')
        expect(error.key).toBe('p/a.txt')
        expect(await wrongFiles(other, files)).toEqual([])
      }
    }
  })
})
