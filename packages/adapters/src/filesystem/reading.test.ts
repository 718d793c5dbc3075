import { appendFileSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import * as fsp from 'node:fs/promises'
import { join } from 'node:path'
import { type FileSystem, readExactly } from '@stowage/core'
import { expectCode } from '@stowage/core/testing'
import { tempDir } from '@stowage/test-support'
import { describe, expect, it } from 'vitest'
import { patternBytes, readBytes, text } from '../testing/bytes.ts'
import { filesystem } from './index.ts'

const mebibyte = 1024 * 1024

describe('reading a file that others write to', () => {
  it('fails with integrity when it becomes shorter', async () => {
    const root = tempDir('root')
    const disk = filesystem({ id: 'disk', root })
    await disk.put('a', patternBytes(4 * mebibyte))
    const { body } = await disk.get('a')
    truncateSync(join(root, 'a'), 10)
    const error = await expectCode(body.toArray(), 'integrity')
    expect(error.message).toContain('shorter')
  })

  it('fails with source-changed when it grows or is written to in place, ranges included', async () => {
    const root = tempDir('root')
    const disk = filesystem({ id: 'disk', root })
    for (const range of [undefined, { start: 5, length: 100 }]) {
      await disk.put('a', patternBytes(mebibyte))
      const { body } = await disk.get('a', range === undefined ? {} : { range })
      appendFileSync(join(root, 'a'), 'more')
      await expectCode(body.toArray(), 'source-changed')
    }
  })

  it('reads into the same memory again where it is given back, and gives each byte once', async () => {
    const disk = filesystem({ id: 'disk', root: tempDir('root') })
    const bytes = patternBytes(3 * mebibyte + 77)
    await disk.put('a', bytes)
    const { body } = await disk.get('a')
    const memory = new Set<ArrayBufferLike>()
    for await (const chunk of body) memory.add((chunk as Uint8Array).buffer)
    const own = await disk.get('a')
    const seen = new Set<ArrayBufferLike>()
    const take = own.body.push
    own.body.push = (chunk: Uint8Array | null) => {
      if (chunk !== null) seen.add(chunk.buffer)
      return take.call(own.body, chunk)
    }
    expect(Buffer.compare(await readExactly(own.body, bytes.length), bytes)).toBe(0)
    expect(seen.size).toBeLessThan(memory.size / 2)
  })

  it('notices a change of the same size by its new time', async () => {
    const root = tempDir('root')
    const disk = filesystem({ id: 'disk', root })
    const { etag } = await disk.put('a', text('hello'))
    writeFileSync(join(root, 'a'), 'HELLO')
    utimesSync(join(root, 'a'), 1_700_000_000, 1_700_000_000.5)
    expect((await disk.head('a')).etag).not.toBe(etag)
    await expectCode(disk.get('a', { ifMatch: etag }), 'precondition-failed')
  })

  it('gives two writes of one size different etags, however fast they follow', async () => {
    const disk = filesystem({ id: 'disk', root: tempDir('root') })
    const etags = new Set<string>()
    for (let i = 0; i < 30; i++) etags.add((await disk.put('a', text(`${i % 10}`))).etag)
    expect(etags.size).toBe(30)
  })

  it('waits for a file descriptor when none is left', async () => {
    const root = tempDir('root')
    await filesystem({ id: 'disk', root }).put('a', text('x'))
    let refusals = 3
    const open: FileSystem['open'] = async (...args) => {
      if (refusals-- > 0) throw Object.assign(new Error('EMFILE'), { code: 'EMFILE' })
      return fsp.open(...args)
    }
    const waits: number[] = []
    const clock = {
      now: () => Date.now(),
      sleep: async (ms: number) => {
        waits.push(ms)
      },
    }
    const disk = filesystem({ id: 'disk', root, fs: { ...fsp, open }, clock })
    expect((await readBytes(disk, 'a')).toString()).toBe('x')
    expect(waits).toEqual([5, 10, 20])
    refusals = Number.POSITIVE_INFINITY
    const error = await expectCode(disk.get('a'), 'unavailable')
    expect(error.hint).toContain('ulimit')
  })

  it('closes its file whatever becomes of the body', async () => {
    const root = tempDir('root')
    let opened = 0
    const open: FileSystem['open'] = async (...args) => {
      const handle = await fsp.open(...args)
      opened++
      const close = handle.close.bind(handle)
      handle.close = () => {
        opened--
        return close()
      }
      return handle
    }
    const disk = filesystem({ id: 'disk', root, fs: { ...fsp, open } })
    const { etag } = await disk.put('a', patternBytes(3 * mebibyte))
    await readBytes(disk, 'a')
    const { body } = await disk.get('a')
    await body[Symbol.asyncIterator]().next()
    body.destroy()
    await new Promise((resolve) => body.once('close', resolve))
    const control = new AbortController()
    const aborted = await disk.get('a', { signal: control.signal })
    control.abort()
    await expectCode(aborted.body.toArray(), 'aborted')
    await expectCode(disk.get('a', { range: { start: 9 * mebibyte } }), 'invalid-request')
    await expectCode(disk.get('a', { ifMatch: `${etag}0` }), 'precondition-failed')
    await disk.copy('a', 'b')
    expect(opened).toBe(0)
  })
})
