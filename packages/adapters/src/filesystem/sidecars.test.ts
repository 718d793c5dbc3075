import { mkdirSync, readdirSync, renameSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemRandom } from '@stowage/core'
import { tempDir } from '@stowage/test-support'
import { describe, expect, it } from 'vitest'
import { text } from '../testing/bytes.ts'
import { filesystem } from './index.ts'

function sidecarsIn(root: string): string[] {
  try {
    return readdirSync(join(root, '.stowage-fs/meta'), { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.json'),
    )
  } catch {
    return []
  }
}

describe('sidecars', () => {
  it('are written only for what the name does not say', async () => {
    const root = tempDir('root')
    const disk = filesystem({ id: 'disk', root })
    await disk.put('a.jpg', text('x'))
    await disk.put('b.jpg', text('x'), { contentType: 'image/jpeg', metadata: {} })
    expect(sidecarsIn(root)).toEqual([])
    expect((await disk.head('a.jpg')).contentType).toBe('image/jpeg')
    expect((await disk.head('b.jpg')).contentType).toBe('image/jpeg')
    await disk.put('c.jpg', text('x'), { contentType: 'image/png' })
    expect(sidecarsIn(root).length).toBe(1)
    expect((await disk.head('c.jpg')).contentType).toBe('image/png')
  })

  it('go with the object when it is replaced or deleted', async () => {
    const root = tempDir('root')
    const disk = filesystem({ id: 'disk', root })
    await disk.put('a', text('1'), { metadata: { n: '1' } })
    await disk.put('a', text('22'), { metadata: { n: '2' } })
    expect(sidecarsIn(root).length).toBe(1)
    expect((await disk.head('a')).metadata).toEqual({ n: '2' })
    await disk.put('a', text('333'))
    expect(sidecarsIn(root)).toEqual([])
    await disk.put('a', text('4444'), { metadata: { n: '4' } })
    await disk.delete('a')
    expect(sidecarsIn(root)).toEqual([])
  })

  it('say nothing of a file that somebody else put in place', async () => {
    const root = tempDir('root')
    const disk = filesystem({ id: 'disk', root })
    await disk.put('a', text('mine'), { metadata: { of: 'mine' }, contentType: 'text/x-mine' })
    writeFileSync(join(root, 'other'), 'else')
    renameSync(join(root, 'other'), join(root, 'a'))
    const info = await disk.head('a')
    expect(info.metadata).toEqual({})
    expect(info.contentType).toBe('application/octet-stream')
  })

  it('leave the object readable when one was cut short by a power failure', async () => {
    const root = tempDir('root')
    const disk = filesystem({ id: 'disk', root })
    await disk.put('a', text('mine'), { metadata: { a: '1' } })
    for (const name of sidecarsIn(root)) writeFileSync(join(root, '.stowage-fs/meta', name), '')
    expect((await disk.head('a')).metadata).toEqual({})
  })

  it('and temporary files and locks that were left behind are removed after a day, those in use never', async () => {
    const root = tempDir('root')
    const work = join(root, '.stowage-fs')
    const disk = filesystem({ id: 'disk', root })
    await disk.put('kept', text('mine'), { metadata: { a: '1' } })
    await disk.put('replaced', text('mine'), { metadata: { a: '2' } })
    writeFileSync(join(root, 'replaced'), 'by somebody else')
    mkdirSync(join(work, 'tmp/left-behind-upload/parts'), { recursive: true })
    mkdirSync(join(work, 'locks'))
    writeFileSync(join(work, 'tmp/left-behind'), 'x')
    writeFileSync(join(work, 'tmp/fresh'), 'x')
    writeFileSync(join(work, 'locks/left-behind'), 'x')
    const old = [
      ...sidecarsIn(root).map((name) => `meta/${name}`),
      'tmp/left-behind',
      'tmp/left-behind-upload',
      'locks/left-behind',
    ]
    const twoDaysAgo = Date.now() / 1000 - 2 * 86_400
    for (const name of old) utimesSync(join(work, name), twoDaysAgo, twoDaysAgo)
    expect(sidecarsIn(root).length).toBe(2)
    // Each sweep looks at one part of the sidecars, by chance.
    for (const chance of [0, 0.99]) {
      const random = { ...systemRandom, next: () => chance }
      await filesystem({ id: 'disk', root, random }).put(`x${chance}`, text('x'))
    }
    expect(readdirSync(join(work, 'tmp'))).toEqual(['fresh'])
    expect(readdirSync(join(work, 'locks'))).toEqual([])
    expect(sidecarsIn(root).length).toBe(1)
    expect((await disk.head('kept')).metadata).toEqual({ a: '1' })
  })
})
