import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import * as fsp from 'node:fs/promises'
import { join } from 'node:path'
import { filesystem } from '@stowage/adapters/filesystem'
import { BLOCK_SIZE, digestOf, type FileSystem } from '@stowage/core'
import { expectCode } from '@stowage/core/testing'
import { tempDir } from '@stowage/test-support'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { materialize } from './materialize.ts'
import { bytesOf, published, wrongFiles } from './testing.ts'

const files = {
  'a.txt': bytesOf(100, 1),
  'b/c.bin': bytesOf(70_000, 2),
  'b/same.bin': bytesOf(70_000, 2),
  empty: Buffer.alloc(0),
  'large.bin': bytesOf(BLOCK_SIZE * 2 + 99, 3),
}
const total = Object.values(files).reduce((sum, bytes) => sum + bytes.length, 0)
const unique = total - 70_000

function places() {
  const root = tempDir('materialize')
  return { dir: join(root, 'out'), cacheDir: join(root, 'cache'), root }
}

function cached(cacheDir: string, bytes: Uint8Array): string {
  const { digest, size } = digestOf(bytes)
  return join(cacheDir, 'objects', digest.slice(0, 2), `${digest}.${size}`)
}

describe('materialize', () => {
  it('makes a version into a folder, and a second one without a byte from the source', async () => {
    const { context, place } = await published(files)
    const { dir, cacheDir, root } = places()
    const progress: number[] = []
    const first = await materialize(context, place, { dir, cacheDir, onProgress: (p) => progress.push(p.bytes) })
    expect(first).toMatchObject({ files: 5, bytes: total, fetchedBytes: unique, present: 0, hardLinks: 5, copies: 0 })
    expect(first.fetched).toBe(4)
    expect(progress.at(-1)).toBe(total)
    expect(await wrongFiles(dir, files)).toEqual([])
    expect(statSync(join(dir, 'a.txt')).mode & 0o777).toBe(0o444)
    expect(statSync(join(dir, 'b/c.bin')).ino).toBe(statSync(cached(cacheDir, files['b/c.bin'])).ino)
    expect(JSON.parse(readFileSync(join(dir, '.stowage-version.json'), 'utf8'))).toMatchObject({
      version: 1,
      complete: true,
    })
    const other = await materialize(context, place, { dir: join(root, 'other'), cacheDir, verify: true })
    expect(other).toMatchObject({ files: 5, reused: 5, fetched: 0, fetchedBytes: 0 })
    expect(await materialize(context, place, { dir, cacheDir })).toMatchObject({
      files: 5,
      present: 5,
      fetchedBytes: 0,
    })
    expect(readdirSync(join(cacheDir, 'partial'))).toEqual([])
  })

  it('takes only what is below a prefix, and keeps the paths', async () => {
    const { context, place } = await published(files)
    const { dir, cacheDir } = places()
    expect(await materialize(context, place, { dir, cacheDir, prefix: 'b/' })).toMatchObject({ files: 2 })
    expect(readdirSync(dir).sort()).toEqual(['.stowage-version.json', 'b'])
  })

  it('keeps its cache with those of the user, whatever else lies there', async () => {
    const { context, place } = await published(files)
    const { dir, root } = places()
    vi.stubEnv('XDG_CACHE_HOME', root)
    onTestFinished(() => void vi.unstubAllEnvs())
    mkdirSync(join(root, 'stowage', 'node'), { recursive: true })
    await materialize(context, place, { dir, prefix: 'a' })
    expect(existsSync(cached(join(root, 'stowage/files'), files['a.txt']))).toBe(true)
  })

  it('versions share what they have in common', async () => {
    const { context, place, source } = await published(files)
    const { dir, cacheDir, root } = places()
    await materialize(context, place, { dir, cacheDir })
    const next = await published({ ...files, 'a.txt': bytesOf(100, 9) }, { number: 2, source })
    const second = await materialize(next.context, next.place, { dir: join(root, 'v2'), cacheDir })
    expect(second).toMatchObject({ fetched: 1, fetchedBytes: 100, reused: 4 })
    await expectCode(materialize(next.context, next.place, { dir, cacheDir }), 'conflict')
    expect(await wrongFiles(dir, files)).toEqual([])
  })

  it('copies may be written to, and the cache stays right', async () => {
    const { context, place } = await published(files)
    const { dir, cacheDir, root } = places()
    const made = await materialize(context, place, { dir, cacheDir, link: 'copy' })
    expect(made).toMatchObject({ copies: 5, hardLinks: 0 })
    writeFileSync(join(dir, 'a.txt'), 'mine')
    expect(readFileSync(cached(cacheDir, files['a.txt'])).equals(files['a.txt'])).toBe(true)
    expect(await wrongFiles(dir, files)).toEqual(['a.txt'])
    await materialize(context, place, { dir: join(root, 'other'), cacheDir })
    expect(await wrongFiles(join(root, 'other'), files)).toEqual([])
  })

  it('copies where the disk makes no links, and checks what it copies', async () => {
    const { context, place } = await published(files)
    const { dir, cacheDir, root } = places()
    const refuse = (code: string) => async () => {
      throw Object.assign(new Error(code), { code })
    }
    for (const code of ['EXDEV', 'EPERM', 'EMLINK']) {
      const fs: FileSystem = { ...fsp, link: refuse(code), copyFile: refuse('ENOTSUP') }
      const out = `${dir}-${code}`
      expect(await materialize(context, place, { dir: out, cacheDir }, fs).catch((error) => error)).toMatchObject(
        code === 'EMLINK' ? { code: 'unavailable' } : { copies: 5 },
      )
      if (code !== 'EMLINK') expect(await wrongFiles(out, files)).toEqual([])
    }
    // Only the link out of the cache fails: the file has as many as the disk allows.
    const full: FileSystem = {
      ...fsp,
      link: async (from, to) => (String(from).startsWith(cacheDir) ? refuse('EMLINK')() : fsp.link(from, to)),
    }
    expect(await materialize(context, place, { dir: join(root, 'full'), cacheDir }, full)).toMatchObject({ copies: 5 })
    // A file of the cache that rotted without a trace is found out while it is copied, and fetched again.
    const rotten = cached(cacheDir, files['a.txt'])
    const { atime, mtime } = statSync(rotten)
    chmodSync(rotten, 0o600)
    writeFileSync(rotten, bytesOf(100, 7))
    utimesSync(rotten, atime, mtime)
    const fs: FileSystem = { ...fsp, link: refuse('EXDEV'), copyFile: refuse('ENOTSUP') }
    const mended = await materialize(context, place, { dir: join(root, 'mended'), cacheDir }, fs)
    expect(mended).toMatchObject({ copies: 5, fetched: 1 })
    expect(await wrongFiles(join(root, 'mended'), files)).toEqual([])
  })

  it('finds out a file of the cache that was written to, and fetches it again', async () => {
    const { context, place } = await published(files)
    const { dir, cacheDir, root } = places()
    await materialize(context, place, { dir, cacheDir })
    const touched = join(dir, 'b/c.bin')
    chmodSync(touched, 0o600)
    writeFileSync(touched, bytesOf(70_000, 8))
    const other = join(root, 'other')
    expect(await materialize(context, place, { dir: other, cacheDir })).toMatchObject({
      fetched: 1,
      fetchedBytes: 70_000,
    })
    expect(await wrongFiles(other, files)).toEqual([])
    const error = await expectCode(materialize(context, place, { dir, cacheDir }), 'conflict')
    expect(error.message).toContain(join(dir, 'b/'))
    expect(await materialize(context, place, { dir, cacheDir, repair: true })).toMatchObject({ files: 5 })
    expect(await wrongFiles(dir, files)).toEqual([])
  })

  it('with verify it finds out what changed without a trace', async () => {
    const { context, place } = await published(files)
    const { dir, cacheDir } = places()
    await materialize(context, place, { dir, cacheDir })
    const path = cached(cacheDir, files['large.bin'])
    const { atime, mtime } = statSync(path)
    chmodSync(path, 0o600)
    const bytes = readFileSync(path)
    bytes[BLOCK_SIZE + 5] = (bytes[BLOCK_SIZE + 5] ?? 0) ^ 1
    writeFileSync(path, bytes)
    utimesSync(path, atime, mtime)
    expect(await materialize(context, place, { dir, cacheDir })).toMatchObject({ present: 5 })
    await expectCode(materialize(context, place, { dir, cacheDir, verify: true }), 'conflict')
    const mended = await materialize(context, place, { dir, cacheDir, verify: true, repair: true })
    expect(mended).toMatchObject({ present: 4, fetched: 1 })
    expect(await wrongFiles(dir, files)).toEqual([])
  })

  it('goes on with a large file from its last whole block', async () => {
    const { context, place } = await published(files)
    const { dir, cacheDir } = places()
    await materialize(context, place, { dir, cacheDir, prefix: 'a' })
    const { digest, size } = digestOf(files['large.bin'])
    mkdirSync(join(cacheDir, 'partial'), { recursive: true })
    const partial = join(cacheDir, 'partial', `${digest}.${size}`)
    writeFileSync(partial, files['large.bin'].subarray(0, BLOCK_SIZE + 12_345))
    utimesSync(partial, 0, 0)
    const made = await materialize(context, place, { dir: `${dir}2`, cacheDir, prefix: 'large' })
    expect(made.fetchedBytes).toBe(size - BLOCK_SIZE)
    expect(readFileSync(join(`${dir}2`, 'large.bin')).equals(files['large.bin'])).toBe(true)
    // Rubbish in place of a part is no hindrance, nor are more bytes than there should be.
    rmSync(join(cacheDir, 'objects'), { recursive: true })
    writeFileSync(partial, Buffer.alloc(size + 1000, 1))
    utimesSync(partial, 0, 0)
    expect(await materialize(context, place, { dir: `${dir}3`, cacheDir, prefix: 'large' })).toMatchObject({ files: 1 })
    expect(readFileSync(join(`${dir}3`, 'large.bin')).equals(files['large.bin'])).toBe(true)
  })

  it('touches nothing that it did not make', async () => {
    const { context, place } = await published(files)
    const { dir, cacheDir, root } = places()
    mkdirSync(dir)
    writeFileSync(join(dir, 'mine'), 'mine')
    await expectCode(materialize(context, place, { dir, cacheDir }), 'unsafe')
    await expectCode(materialize(context, place, { dir: join(root, 'x'), cacheDir: dir }), 'unsafe')
    await expectCode(
      materialize(context, place, { dir: join(root, 'x/y'), cacheDir: join(root, 'x') }),
      'invalid-request',
    )
    expect(readdirSync(dir)).toEqual(['mine'])
    const other = join(root, 'other')
    await materialize(context, place, { dir: other, cacheDir })
    writeFileSync(join(other, 'notes'), 'mine')
    rmSync(join(other, 'b'), { recursive: true })
    const outside = tempDir('outside')
    symlinkSync(outside, join(other, 'b'))
    await expectCode(materialize(context, place, { dir: other, cacheDir, repair: true }), 'conflict')
    expect(readdirSync(outside)).toEqual([])
    rmSync(join(other, 'b'))
    expect(await materialize(context, place, { dir: other, cacheDir })).toMatchObject({ present: 3 })
    expect(readFileSync(join(other, 'notes'), 'utf8')).toBe('mine')
  })

  it('refuses options that make no sense, and stops when it is told to', async () => {
    const { context, place } = await published(files)
    const { dir, cacheDir } = places()
    for (const wrong of [{ concurrency: 0 }, { maxCacheBytes: -1 }, { concurrency: 1.5 }]) {
      await expectCode(materialize(context, place, { dir, cacheDir, ...wrong }), 'invalid-request')
    }
    const error = await expectCode(
      materialize(context, place, { dir, cacheDir, signal: AbortSignal.abort() }),
      'aborted',
    )
    expect(error.hint).toContain('goes on')
    const stop = new AbortController()
    const stopped = materialize(context, place, { dir, cacheDir, signal: stop.signal, onProgress: () => stop.abort() })
    await expectCode(stopped, 'aborted')
    expect(await wrongFiles(dir, files)).toEqual([])
    expect(await materialize(context, place, { dir, cacheDir })).toMatchObject({ files: 5 })
  })

  it('tells a full disk as such, and goes on when there is room', async () => {
    const { context, place } = await published(files)
    const { dir, cacheDir } = places()
    let left = 3
    const fs: FileSystem = {
      ...fsp,
      open: async (...args) => {
        if (String(args[0]).includes('partial') && left-- <= 0)
          throw Object.assign(new Error('full'), { code: 'ENOSPC' })
        return fsp.open(...args)
      },
    }
    await expectCode(materialize(context, place, { dir, cacheDir }, fs), 'no-space')
    expect(await wrongFiles(dir, files)).toEqual([])
    expect(await materialize(context, place, { dir, cacheDir })).toMatchObject({ files: 5 })
  })
})

describe('a farm of links', () => {
  it('leads into a mounted source, and takes from the cache what is wrong there', async () => {
    const root = tempDir('mounted')
    const source = filesystem({ id: 'm', root })
    const { context, place, path } = await published(files, { source })
    const { dir, cacheDir } = places()
    const made = await materialize(context, place, { dir, cacheDir, from: 'mount' })
    expect(made).toMatchObject({ files: 5, symbolicLinks: 5, fetchedBytes: 0 })
    expect(await wrongFiles(dir, files)).toEqual([])
    expect(existsSync(join(cacheDir, 'objects'))).toBe(false)
    expect(await materialize(context, place, { dir, cacheDir, from: 'mount' })).toMatchObject({ present: 5 })

    const damaged = { ...place, damaged: new Set([`m\0${path}draft1/a.txt`]) }
    const other = `${dir}-other`
    const mixed = await materialize(context, damaged, { dir: other, cacheDir, from: 'mount', verify: true })
    expect(mixed).toMatchObject({ symbolicLinks: 4, hardLinks: 1, fetched: 1 })
    expect(await wrongFiles(other, files)).toEqual([])
  })

  it('makes no link to a folder, so that nothing is written through one', async () => {
    const root = tempDir('mounted')
    const source = filesystem({ id: 'm', root })
    const forged = await published(
      { x: bytesOf(10, 1), 'y/z': bytesOf(10, 2) },
      { source, entries: (entry) => (entry.path === 'x' ? { ...entry, key: 'draft1/y', size: 4096 } : entry) },
    )
    const { dir, cacheDir } = places()
    await expectCode(
      materialize(forged.context, forged.place, { dir, cacheDir, from: 'mount', concurrency: 1 }),
      'integrity',
      'unavailable',
      'not-found',
      'conflict',
    )
    expect(existsSync(join(dir, 'x'))).toBe(false)
  })
})
