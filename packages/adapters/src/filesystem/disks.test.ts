import { execFileSync } from 'node:child_process'
import type { PathLike } from 'node:fs'
import { mkdirSync, readdirSync } from 'node:fs'
import * as fsp from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { FileSystem } from '@stowage/core'
import { expectCode } from '@stowage/core/testing'
import { tempDir } from '@stowage/test-support'
import { describe, expect, it, onTestFinished } from 'vitest'
import { exists, keysOf, patternBytes, readBytes, streamOf, text } from '../testing/bytes.ts'
import { filesystem } from './index.ts'

function failing(code: string): Error {
  return Object.assign(new Error(`${code}: played`), { code })
}

/** A disk that finds names whatever their case, as macOS does: it keeps the case a file was made with. */
function foldingDisk(): FileSystem {
  const real = async (path: PathLike): Promise<string> => {
    let found = ''
    for (const part of String(path).split('/').slice(1)) {
      const names = await fsp.readdir(found || '/').catch(() => [] as string[])
      const same =
        names.find((name) => name === part) ?? names.find((name) => name.toLowerCase() === part.toLowerCase())
      found = `${found}/${same ?? part}`
    }
    return found
  }
  return {
    ...fsp,
    lstat: (async (path: PathLike, options: object) => fsp.lstat(await real(path), options)) as FileSystem['lstat'],
    realpath: (async (path: PathLike) => fsp.realpath(await real(path))) as FileSystem['realpath'],
    rename: async (from, to) => fsp.rename(await real(from), await real(to)),
    link: async (from, to) => fsp.link(await real(from), await real(to)),
    unlink: async (path) => fsp.unlink(await real(path)),
  }
}

describe('a disk that ignores case', () => {
  it('refuses a key that differs only by case from one that is there, and loses nothing', async () => {
    const disk = filesystem({ id: 'disk', root: tempDir('root'), fs: foldingDisk() })
    await disk.put('Folder/File.txt', text('first'))
    for (const key of ['Folder/file.txt', 'folder/File.txt', 'folder/other.txt', 'FOLDER/deep/x']) {
      const error = await expectCode(disk.put(key, text('second')), 'conflict')
      expect(error.message).toContain('Folder')
    }
    await disk.delete('folder/file.txt')
    expect((await readBytes(disk, 'Folder/File.txt')).toString()).toBe('first')
    await disk.put('Folder/File.txt', text('again'))
    await disk.put('Folder/other.txt', text('x'))
    expect(await keysOf(disk, {})).toEqual(['Folder/File.txt', 'Folder/other.txt'])
  })

  it('lets one of two such writes at the same time win', async () => {
    const disk = filesystem({ id: 'disk', root: tempDir('root'), fs: foldingDisk() })
    const results = await Promise.allSettled([disk.put('name', text('1')), disk.put('NAME', text('2'))])
    expect(results.filter((result) => result.status === 'fulfilled').length).toBe(1)
  })
})

describe('a disk without hard links', () => {
  it('creates only all the same', async () => {
    const root = tempDir('root')
    for (const code of ['EPERM', 'ENOTSUP', 'EMLINK']) {
      const fs: FileSystem = { ...fsp, link: () => Promise.reject(failing(code)) }
      const key = `${code}/x`
      const disks = [filesystem({ id: 'one', root, fs }), filesystem({ id: 'two', root, fs })]
      const puts = Array.from({ length: 8 }, (_, i) => disks[i % 2]?.put(key, text(`${i}`), { ifNoneMatch: '*' }))
      const results = await Promise.allSettled(puts)
      expect(results.filter((result) => result.status === 'fulfilled').length).toBe(1)
      await expectCode(Promise.resolve(disks[0]?.put(key, text('x'), { ifNoneMatch: '*' })), 'precondition-failed')
    }
    expect(readdirSync(join(root, '.stowage-fs/tmp'))).toEqual([])
  })
})

describe('a disk that fails', () => {
  it.each([
    ['ENOSPC', 'no-space'],
    ['EDQUOT', 'no-space'],
    ['EACCES', 'access-denied'],
    ['EROFS', 'access-denied'],
    ['EXDEV', 'not-supported'],
    ['EIO', 'unavailable'],
    ['ENAMETOOLONG', 'invalid-key'],
  ] as const)('says %s as %s, and leaves nothing behind', async (errno, code) => {
    const root = tempDir('root')
    await filesystem({ id: 'disk', root }).put('old', text('old'))
    const fs: FileSystem = {
      ...fsp,
      rename: () => Promise.reject(failing(errno)),
      link: () => Promise.reject(failing(errno)),
    }
    const disk = filesystem({ id: 'disk', root, fs })
    const error = await expectCode(disk.put('old', text('new')), code)
    expect(error.message).toContain(errno)
    expect(error.message).not.toContain('\n')
    await expectCode(disk.put('new', text('new'), { ifNoneMatch: '*', metadata: {} }), code)
    expect((await readBytes(disk, 'old')).toString()).toBe('old')
    expect(readdirSync(join(root, '.stowage-fs/tmp'))).toEqual([])
  })

  it('takes nothing of an object when the disk is full', async ({ skip }) => {
    const root = tempDir('small')
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', root], { stdio: 'pipe' })
    } catch {
      skip('no right to mount a small disk')
    }
    onTestFinished(() => {
      execFileSync('umount', ['-l', root])
    })
    const disk = filesystem({ id: 'disk', root })
    await disk.put('fits', patternBytes(100_000))
    const large = patternBytes(3 * 1024 * 1024)
    expect((await expectCode(disk.put('large', large), 'no-space')).retryable).toBe(false)
    await expectCode(disk.put('large', streamOf(large), { size: large.length }), 'no-space')
    await expectCode(
      disk.copy('fits', 'x').then(() => disk.put('fits', large)),
      'no-space',
    )
    const { uploadId } = await disk.multipart.create('parts')
    await expectCode(disk.multipart.uploadPart('parts', uploadId, 1, large), 'no-space')
    await disk.multipart.abort('parts', uploadId)
    expect(await keysOf(disk, {})).toEqual(['fits', 'x'])
    expect(readdirSync(join(root, '.stowage-fs/tmp'))).toEqual([])
    await disk.put('fits too', patternBytes(100_000))
  })

  it('says clearly that a disk mounted inside the root is not one disk with it', async ({ skip }) => {
    const root = tempDir('outer')
    mkdirSync(join(root, 'mounted'))
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', join(root, 'mounted')], { stdio: 'pipe' })
    } catch {
      skip('no right to mount a small disk')
    }
    onTestFinished(() => {
      execFileSync('umount', ['-l', join(root, 'mounted')])
    })
    const disk = filesystem({ id: 'disk', root })
    const error = await expectCode(disk.put('mounted/x', text('x')), 'not-supported')
    expect(error.hint).toContain('source of its own')
    expect(await exists(disk, 'mounted/x')).toBe(false)
  })
})

describe('the root', () => {
  it('is made only when that is asked for', async () => {
    const root = join(tempDir('parent'), 'not/yet')
    await expectCode(filesystem({ id: 'disk', root }).put('a', text('x')), 'bucket-not-found')
    await expectCode(filesystem({ id: 'disk', root }).multipart.create('a'), 'bucket-not-found')
    const disk = filesystem({ id: 'disk', root, create: true })
    await disk.put('a', text('x'))
    expect(readdirSync(dirname(root))).toEqual([basename(root)])
    expect((await disk.probe()).ok).toBe(true)
  })

  it('may be a file by mistake, which is said', async () => {
    const root = join(tempDir('parent'), 'file')
    await fsp.writeFile(root, '')
    const error = await expectCode(filesystem({ id: 'disk', root }).put('a', text('x')), 'bucket-not-found')
    expect(error.hint).toBeTruthy()
  })
})

describe('names that are both object and folder', () => {
  it('are refused with the reason, and the object stays', async () => {
    const disk = filesystem({ id: 'disk', root: tempDir('root') })
    await disk.put('a/b', text('x'))
    for (const key of ['a', 'a/b/c', 'a/b/c/d']) {
      for (const options of [{}, { ifNoneMatch: '*' as const }]) {
        const error = await expectCode(disk.put(key, text('y'), options), 'conflict')
        expect(error.hint).toContain('"a/b"')
      }
    }
    expect(await keysOf(disk, {})).toEqual(['a/b'])
  })

  it('may be empty folders that somebody left', async () => {
    const root = tempDir('root')
    mkdirSync(join(root, 'a'))
    mkdirSync(join(root, 'b'))
    const disk = filesystem({ id: 'disk', root })
    await disk.put('a', text('x'))
    await disk.put('b', text('x'), { ifNoneMatch: '*' })
    expect(await keysOf(disk, {})).toEqual(['a', 'b'])
  })
})
