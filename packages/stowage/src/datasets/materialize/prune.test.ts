import { readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import * as fsp from 'node:fs/promises'
import { basename, join } from 'node:path'
import { digestOf } from '@stowage/core'
import { tempDir } from '@stowage/test-support'
import { describe, expect, it } from 'vitest'
import { FileCache } from './cache.ts'
import { materialize } from './materialize.ts'
import { prune } from './prune.ts'
import { STAMP } from './stamp.ts'
import { bytesOf, published, wrongFiles } from './testing.ts'

const KIB = 1024
const files = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`f${i}`, bytesOf(KIB, i)]))

function places() {
  const root = tempDir('prune')
  return { dir: join(root, 'out'), cacheDir: join(root, 'cache'), root }
}

function names(cacheDir: string): string[] {
  return readdirSync(join(cacheDir, 'objects'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.includes('.'),
  )
}

describe('the limit of a cache', () => {
  it('drops what was not used for the longest time, and nothing that lies in a folder', async () => {
    const { context, place } = await published(files)
    const { dir, cacheDir } = places()
    await materialize(context, place, { dir, cacheDir, link: 'copy' })
    const open = () => FileCache.open(cacheDir, fsp, Date.now, () => 'x')
    const cache = await open()
    for (let i = 0; i < 20; i++) {
      const used = Date.now() / 1000 - (20 - i) * 7200
      utimesSync(cache.pathOf(digestOf(files[`f${i}`] as Buffer)), used, STAMP)
    }
    // The oldest is held by a folder.
    await fsp.link(cache.pathOf(digestOf(files['f0'] as Buffer)), join(dir, 'held'))
    expect(await prune(fsp, cache, 20 * KIB)).toEqual({ bytes: 20 * KIB, heldBytes: KIB, evictedBytes: 0 })
    const pruned = await prune(fsp, cache, 10 * KIB)
    expect(pruned).toEqual({ bytes: 9 * KIB, heldBytes: KIB, evictedBytes: 11 * KIB })
    const left = Object.keys(files).filter((name) => {
      const { digest, size } = digestOf(files[name] as Buffer)
      return names(cacheDir).some((one) => one.endsWith(`${digest}.${size}`))
    })
    expect(left.sort()).toEqual(['f0', ...Array.from({ length: 8 }, (_, i) => `f${i + 12}`)].sort())
  })

  it('holds while a version larger than it is copied out, and the folder is right', async () => {
    const { context, place } = await published(files)
    const { dir, cacheDir } = places()
    const made = await materialize(context, place, {
      dir,
      cacheDir,
      link: 'copy',
      maxCacheBytes: 5 * KIB,
      concurrency: 4,
    })
    expect(made.files).toBe(20)
    expect(made.evictedBytes).toBeGreaterThanOrEqual(15 * KIB)
    expect(await wrongFiles(dir, files)).toEqual([])
    expect(names(cacheDir).length).toBeLessThanOrEqual(5)
  })

  it('a use is noted, so that what is used stays', async () => {
    const { context, place } = await published(files)
    const { dir, cacheDir } = places()
    await materialize(context, place, { dir, cacheDir, link: 'copy' })
    const paths = names(cacheDir).map((name) => join(cacheDir, 'objects', name))
    for (const path of paths) utimesSync(path, 1000, STAMP)
    await materialize(context, place, { dir: `${dir}2`, cacheDir, link: 'copy' })
    for (const path of paths) expect(Date.now() - statSync(path).atimeMs).toBeLessThan(600_000)
  })

  it('leaves what is not its own', async () => {
    const { context, place } = await published(files)
    const { dir, cacheDir } = places()
    await materialize(context, place, { dir, cacheDir, link: 'copy' })
    writeFileSync(join(cacheDir, 'objects', 'notes.txt'), 'mine')
    const cache = await FileCache.open(cacheDir, fsp, Date.now, () => 'x')
    await prune(fsp, cache, 1)
    expect(names(cacheDir)).toEqual(['notes.txt'])
  })

  it('partial files go when what they are of is kept, or nobody goes on with them for a week', async () => {
    const { context, place } = await published(files)
    const { dir, cacheDir } = places()
    await materialize(context, place, { dir, cacheDir, link: 'copy' })
    const kept = basename(names(cacheDir)[0] as string)
    const begun = `${'0'.repeat(64)}.5`
    const moved = `${'1'.repeat(64)}.5`
    for (const name of [kept, begun, `${moved}.owner`, 'mine']) writeFileSync(join(cacheDir, 'partial', name), 'part')
    let now = Date.now()
    const cache = await FileCache.open(
      cacheDir,
      fsp,
      () => now,
      () => 'x',
    )
    await cache.recover(10_000)
    expect(readdirSync(join(cacheDir, 'partial'))).toHaveLength(4)
    now += 60_000
    await cache.recover(10_000)
    expect(readdirSync(join(cacheDir, 'partial')).sort()).toEqual([begun, moved, 'mine'])
    now += 8 * 24 * 3_600_000
    await cache.recover(10_000)
    expect(readdirSync(join(cacheDir, 'partial'))).toEqual(['mine'])
  })
})
