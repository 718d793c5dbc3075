import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import * as fsp from 'node:fs/promises'
import { join } from 'node:path'
import { hasCode, type StorageAdapter, type StowageError } from '@stowage/core'
import { tempDir, testKey } from '@stowage/test-support'
import { describe, expect, it } from 'vitest'
import { filesystem } from './index.ts'

const secret = 'the secret outside'

/** A root with a neighbour that must stay out of reach, and every call that takes a key. */
function place(options: { fs?: typeof fsp } = {}) {
  const home = tempDir('home')
  const [root, outside] = [join(home, 'root'), join(home, 'outside')]
  mkdirSync(join(root, 'in'), { recursive: true })
  mkdirSync(join(outside, 'deep'), { recursive: true })
  writeFileSync(join(outside, 'secret'), secret)
  writeFileSync(join(outside, 'deep', 'secret'), secret)
  writeFileSync(join(root, 'in', 'own'), 'own')
  const presign = { baseUrl: 'https://files.example.com', secret: testKey('presign').toString('base64') }
  const disk = filesystem({ id: 'disk', root, presign, ...options })
  const calls: Record<string, (adapter: StorageAdapter, key: string) => Promise<unknown>> = {
    head: (adapter, key) => adapter.head(key),
    get: async (adapter, key) => (await adapter.get(key)).body.toArray(),
    put: (adapter, key) => adapter.put(key, Buffer.from('written')),
    'put create-only': (adapter, key) => adapter.put(key, Buffer.from('written'), { ifNoneMatch: '*' }),
    'copy from': (adapter, key) => adapter.copy(key, 'in/copied'),
    'copy to': (adapter, key) => adapter.copy('in/own', key),
    delete: (adapter, key) => adapter.delete(key),
    'create upload': async (adapter, key) => {
      const { uploadId } = await adapter.multipart.create(key)
      const part = await adapter.multipart.uploadPart(key, uploadId, 1, Buffer.from('written'))
      await adapter.multipart.complete(key, uploadId, [part])
    },
    'copy part from': async (adapter, key) => {
      const { uploadId } = await adapter.multipart.create('in/parts')
      try {
        await adapter.multipart.uploadPartCopy('in/parts', uploadId, 1, key, { range: { start: 0, length: 3 } })
      } finally {
        await adapter.multipart.abort('in/parts', uploadId)
      }
    },
  }
  /** Nothing outside was changed, and nothing of it came in. */
  const intact = (): void => {
    expect(readdirSync(outside).sort()).toEqual(['deep', 'secret'])
    expect(readFileSync(join(outside, 'secret'), 'utf8')).toBe(secret)
    expect(readFileSync(join(outside, 'deep', 'secret'), 'utf8')).toBe(secret)
    expect(readdirSync(home).sort()).toEqual(['outside', 'root'])
    if (existsSync(join(root, 'in/copied')))
      expect(readFileSync(join(root, 'in/copied'), 'utf8')).not.toContain('secret')
  }
  return { home, root, outside, disk, calls, intact }
}

describe('keys that would lead out of the root', () => {
  it.each([
    '..',
    '../outside/secret',
    'in/../../outside/secret',
    'in/..',
    './in/own',
    'in/./own',
    '/in/own',
    '//in/own',
    'in//own',
    'in/',
    '',
    'in/own\u0000',
    '\u0000',
    'in/own\u0000/../../outside/secret',
    '.stowage-fs/tmp/x',
    '.stowage-fs/../../outside/secret',
    `${'x/'.repeat(3000)}y`,
    'y'.repeat(256),
  ])('are refused by every call: %j', async (key) => {
    const { disk, calls, intact } = place()
    for (const [name, call] of Object.entries(calls)) {
      const error = await call(disk, key).then(
        () => expect.fail(`${name} took ${JSON.stringify(key)}`),
        (reason: StowageError) => reason,
      )
      expect([name, error.code]).toEqual([name, 'invalid-key'])
    }
    for (const method of ['get', 'put', 'part'] as const) {
      const more = method === 'part' ? { uploadId: 'u', partNumber: 1 } : {}
      await expect(disk.presign({ method, key, expiresIn: 60, ...more })).rejects.toMatchObject({ code: 'invalid-key' })
    }
    expect(() => disk.mountPath(key)).toThrow(expect.objectContaining({ code: 'invalid-key' }))
    expect((await disk.deleteMany([key])).failed).toMatchObject([{ key, error: { code: 'invalid-key' } }])
    intact()
  })

  it.each(['..\\outside\\secret', '%2e%2e/outside/secret', '..%2foutside%2fsecret', '%00', 'in\\own'])(
    'are names like any other where they only look like it: %j',
    async (key) => {
      const { root, disk, intact } = place()
      await disk.put(key, Buffer.from('mine'))
      expect(Buffer.concat(await (await disk.get(key)).body.toArray()).toString()).toBe('mine')
      expect(disk.mountPath(key)).toBe(`${root}/${key}`)
      intact()
    },
  )

  it('find nothing as prefixes and positions of a listing', async () => {
    const { disk } = place()
    for (const prefix of [
      '../',
      '..',
      '../outside/',
      '/',
      '/in/',
      'in/../../outside/',
      '.stowage-fs/',
      'in/own\u0000',
    ]) {
      for (const startAfter of [undefined, '../outside/a', prefix]) {
        const pages = disk.list({ prefix, ...(startAfter === undefined ? {} : { startAfter }) })
        for await (const page of pages) expect([prefix, page.objects, page.prefixes]).toEqual([prefix, [], []])
      }
    }
  })
})

describe('links that lead out of the root', () => {
  it.each([
    ['a file', 'secret', 'link', 'link'],
    ['a folder', '.', 'link', 'link/secret'],
    ['a folder in the middle', '.', 'in/link', 'in/link/deep/secret'],
    ['a link to a link', 'deep', 'link', 'link/secret'],
    ['nothing yet', 'new', 'link', 'link'],
    ['a folder that is not there yet', 'new', 'link', 'link/new'],
  ])('are followed by no call: %s', async (_, target, link, key) => {
    for (const symlinks of ['follow', 'skip'] as const) {
      const { root, outside, calls, intact } = place()
      const disk = filesystem({ id: 'disk', root, symlinks })
      symlinkSync(join(outside, target), join(root, link))
      for (const [name, call] of Object.entries(calls)) {
        if (!existsSync(join(root, link)) && name === 'delete') continue
        await call(disk, key).catch((error: StowageError) => {
          expect([name, hasCode(error, 'not-found', 'invalid-key', 'conflict', 'precondition-failed')]).toEqual([
            name,
            true,
          ])
        })
        intact()
        // A link whose own place was written to is gone now; the next call shall meet it again.
        rmSync(join(root, link), { recursive: true, force: true })
        symlinkSync(join(outside, target), join(root, link))
      }
      const listed: string[] = []
      for await (const page of disk.list()) listed.push(...page.objects.map((object) => object.key))
      expect(listed.filter((one) => one.startsWith(link))).toEqual([])
      intact()
    }
  })

  it('are not followed where they are put in place between the look and the call', async () => {
    let swap: (() => void) | undefined
    const fs = {
      ...fsp,
      realpath: (async (path: string) => {
        const real = await fsp.realpath(path)
        // Right after the path was found good.
        if (path.endsWith('/in/own') || path.endsWith('/in')) swap?.()
        return real
      }) as unknown as typeof fsp.realpath,
    }
    const { root, outside, disk, intact } = place({ fs })
    swap = () => {
      swap = undefined
      rmSync(join(root, 'in', 'own'))
      symlinkSync(join(outside, 'secret'), join(root, 'in', 'own'))
    }
    const read = await disk.get('in/own').then(
      async ({ body }) => Buffer.concat(await body.toArray()).toString(),
      (error: StowageError) => error.code,
    )
    expect(read).toBe('not-found')
    intact()
  })
})

it('hard links inside the root are files like any other', async () => {
  const { root, disk } = place()
  linkSync(join(root, 'in/own'), join(root, 'in/twin'))
  expect((await disk.head('in/twin')).size).toBe(3)
  await disk.put('in/twin', Buffer.from('replaced'))
  expect(readFileSync(join(root, 'in/own'), 'utf8')).toBe('own')
})

it('a root that is moved away and put back by something else is noticed', async () => {
  const { home, root, disk } = place()
  await disk.head('in/own')
  renameSync(root, join(home, 'elsewhere'))
  await expect(disk.head('in/own')).rejects.toMatchObject({ code: 'bucket-not-found' })
  await expect(disk.put('in/own', Buffer.from('x'))).rejects.toMatchObject({ code: 'bucket-not-found' })
  renameSync(join(home, 'elsewhere'), root)
  expect((await disk.head('in/own')).size).toBe(3)
})
