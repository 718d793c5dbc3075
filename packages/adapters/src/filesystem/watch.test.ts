import { appendFileSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { EventGap, ObjectEvent } from '@stowage/core'
import { expectCode } from '@stowage/core/testing'
import { tempDir } from '@stowage/test-support'
import { expect, it } from 'vitest'
import { filesystem } from './index.ts'

/** Watches a folder, and waits for what is to be told. */
async function watched(prefix = '') {
  const root = tempDir('watched')
  const disk = filesystem({ id: 'disk', root })
  const stop = new AbortController()
  const seen: (ObjectEvent | EventGap)[] = []
  const ended = (async () => {
    for await (const batch of disk.watch({ prefix, signal: stop.signal })) seen.push(...batch)
  })()
  ended.catch(() => {})
  const has = (text: string) =>
    expect
      .poll(() => seen.map((e) => (e.type === 'gap' ? 'gap' : `${e.type} ${e.key}`)), { interval: 10 })
      .toContain(text)
  // Nothing says when it has begun to watch but that it sees.
  await expect
    .poll(
      async () => {
        await disk.put(`${prefix}begin`, Buffer.from(String(Math.random())))
        return seen.length
      },
      { interval: 20 },
    )
    .toBeGreaterThan(0)
  return { root, disk, seen, has, stop, ended }
}

it('tells what is written through it, by its size and etag, and what is deleted', async () => {
  const { disk, seen, has, stop, ended } = await watched()
  const { etag } = await disk.put('a/b/c.txt', Buffer.from('hello'), { metadata: { x: 'y' } })
  await has('created a/b/c.txt')
  expect(seen.find((e) => e.type === 'created' && e.key === 'a/b/c.txt')).toMatchObject({ size: 5, etag })
  await disk.delete('a/b/c.txt')
  await has('removed a/b/c.txt')
  expect(seen.filter((e) => e.type !== 'gap' && e.key.startsWith('.stowage-fs'))).toEqual([])
  stop.abort()
  await expectCode(ended, 'aborted')
})

it('tells what other programs do: writes in place, renames, folders that are moved in and out, deep trees', async () => {
  const { root, has, seen, stop } = await watched()
  writeFileSync(join(root, 'slow'), 'one')
  appendFileSync(join(root, 'slow'), 'two')
  await has('created slow')
  await expect.poll(() => seen.findLast((e) => e.type === 'created' && e.key === 'slow')).toMatchObject({ size: 6 })
  renameSync(join(root, 'slow'), join(root, 'fast'))
  await has('removed slow')
  await has('created fast')
  const outside = tempDir('outside')
  mkdirSync(join(outside, 'tree', 'x', 'y'), { recursive: true })
  writeFileSync(join(outside, 'tree', 'x', 'y', 'z'), 'z')
  renameSync(join(outside, 'tree'), join(root, 'tree'))
  await has('created tree/x/y/z')
  writeFileSync(join(root, 'tree', 'x', 'y', 'later'), 'later')
  await has('created tree/x/y/later')
  renameSync(join(root, 'tree'), join(outside, 'tree'))
  await has('gap')
  mkdirSync(join(root, 'p/q/r/s'), { recursive: true })
  writeFileSync(join(root, 'p/q/r/s/t'), 't')
  await has('created p/q/r/s/t')
  rmSync(join(root, 'p'), { recursive: true })
  await has('removed p/q/r/s/t')
  stop.abort()
})

it('tells only what begins with the prefix', async () => {
  const { disk, has, seen, stop } = await watched('in/')
  await disk.put('out/x', Buffer.from('x'))
  await disk.put('in', Buffer.from('x')).catch(() => {})
  await disk.put('in/deep/x', Buffer.from('x'))
  await has('created in/deep/x')
  expect(seen.filter((e) => e.type !== 'gap' && !e.key.startsWith('in/'))).toEqual([])
  stop.abort()
})

it('fails where there is no folder to watch', async () => {
  const disk = filesystem({ id: 'disk', root: join(tempDir('none'), 'missing') })
  await expectCode(disk.watch()[Symbol.asyncIterator]().next(), 'bucket-not-found')
  await disk.close()
  await expectCode(disk.watch()[Symbol.asyncIterator]().next(), 'invalid-request')
})
