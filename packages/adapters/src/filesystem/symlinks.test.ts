import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SkippedEntry, StorageAdapter } from '@stowage/core'
import { expectCode } from '@stowage/core/testing'
import { tempDir } from '@stowage/test-support'
import { describe, expect, it } from 'vitest'
import { keysOf, pagesOf, readBytes, text } from '../testing/bytes.ts'
import { filesystem } from './index.ts'

/** A root with links of every kind, and a folder outside of it. */
function place(): { root: string; outside: string } {
  const [root, outside] = [tempDir('root'), tempDir('outside')]
  mkdirSync(join(root, 'real/deep'), { recursive: true })
  writeFileSync(join(root, 'real/file.txt'), 'inside')
  writeFileSync(join(root, 'real/deep/x'), 'deep')
  writeFileSync(join(outside, 'secret.txt'), 'outside')
  symlinkSync('real', join(root, 'link'))
  symlinkSync('real/file.txt', join(root, 'link.txt'))
  symlinkSync(outside, join(root, 'out'))
  symlinkSync(join(outside, 'secret.txt'), join(root, 'out.txt'))
  symlinkSync('no-such-file', join(root, 'dangling'))
  symlinkSync('..', join(root, 'real/up'))
  symlinkSync('loop-b', join(root, 'loop-a'))
  symlinkSync('loop-a', join(root, 'loop-b'))
  return { root, outside }
}

async function skippedOf(adapter: StorageAdapter): Promise<SkippedEntry[]> {
  return (await pagesOf(adapter, {})).flatMap((page) => page.skipped ?? [])
}

describe('symbolic links', () => {
  it('are followed to files and folders inside the root; others are named as left out', async () => {
    const { root } = place()
    const disk = filesystem({ id: 'disk', root })
    expect(await keysOf(disk, {})).toEqual(['link.txt', 'link/deep/x', 'link/file.txt', 'real/deep/x', 'real/file.txt'])
    const skipped = await skippedOf(disk)
    expect(skipped.map((entry) => entry.name).sort()).toEqual([
      'dangling',
      'link/up',
      'loop-a',
      'loop-b',
      'out',
      'out.txt',
      'real/up',
    ])
    expect(new Set(skipped.map((entry) => entry.severity))).toEqual(new Set(['ignored']))
    expect((await readBytes(disk, 'link/file.txt')).toString()).toBe('inside')
    const [row] = (await pagesOf(disk, { prefix: 'link.txt' })).flatMap((page) => page.objects)
    expect((await disk.head('link.txt')).etag).toBe(row?.etag)
  })

  it('are left out, and named, where they are not to be followed', async () => {
    const { root } = place()
    const disk = filesystem({ id: 'disk', root, symlinks: 'skip' })
    expect(await keysOf(disk, {})).toEqual(['real/deep/x', 'real/file.txt'])
    expect((await skippedOf(disk)).map((entry) => entry.name)).toContain('link')
    for (const key of ['link.txt', 'link/file.txt']) await expectCode(disk.get(key), 'not-found')
    await expectCode(disk.put('link/new.txt', text('x')), 'invalid-key')
    expect(await keysOf(disk, { prefix: 'link/' })).toEqual([])
  })

  it('never lead a read out of the root', async () => {
    const { root } = place()
    const disk = filesystem({ id: 'disk', root })
    for (const key of ['out/secret.txt', 'out.txt', 'dangling', 'loop-a', 'loop-a/x', 'real/up/out/secret.txt']) {
      await expectCode(disk.get(key), 'not-found')
      await expectCode(disk.head(key), 'not-found')
      await expectCode(disk.copy(key, 'copy'), 'not-found')
    }
    expect(await keysOf(disk, { prefix: 'out/' })).toEqual([])
  })

  it('never lead a write or a delete out of the root', async () => {
    const { root, outside } = place()
    const disk = filesystem({ id: 'disk', root })
    for (const key of ['out/new.txt', 'out/deep/new.txt', 'dangling/new.txt', 'real/up/out/new.txt', 'loop-a/x']) {
      await expectCode(disk.put(key, text('x')), 'invalid-key')
      await expectCode(disk.put(key, text('x'), { ifNoneMatch: '*' }), 'invalid-key')
    }
    await disk.delete('out/secret.txt')
    expect(readFileSync(join(outside, 'secret.txt'), 'utf8')).toBe('outside')
  })

  it('are replaced by a write, and what they led to stays as it was', async () => {
    const { root, outside } = place()
    const disk = filesystem({ id: 'disk', root })
    await disk.put('out.txt', text('mine'))
    await disk.put('link.txt', text('mine too'))
    expect((await readBytes(disk, 'out.txt')).toString()).toBe('mine')
    expect(readFileSync(join(outside, 'secret.txt'), 'utf8')).toBe('outside')
    expect((await readBytes(disk, 'real/file.txt')).toString()).toBe('inside')
  })

  it('into the work folder are no way around its protection', async () => {
    const { root } = place()
    const disk = filesystem({ id: 'disk', root })
    await disk.put('a', text('x'), { metadata: { a: '1' } })
    symlinkSync('.stowage-fs', join(root, 'work'))
    expect((await keysOf(disk, {})).filter((key) => key.startsWith('work'))).toEqual([])
    await expectCode(disk.put('work/tmp/x', text('x')), 'invalid-key')
  })

  it('may be the root itself', async () => {
    const { root } = place()
    const parent = tempDir('parent')
    symlinkSync(root, join(parent, 'data'))
    const disk = filesystem({ id: 'disk', root: join(parent, 'data') })
    await disk.put('new/x', text('x'))
    expect(await keysOf(disk, { prefix: 'new/' })).toEqual(['new/x'])
  })
})
