import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { memory, presignHandler } from '@stowage/adapters/memory'
import { openCatalog } from '@stowage/catalog'
import { type Capabilities, digestOf, type StorageAdapter, StowageError } from '@stowage/core'
import { expectCode } from '@stowage/core/testing'
import { tempDir, testKey } from '@stowage/test-support'
import { describe, expect, it } from 'vitest'
import { createStowage } from '../../app/create.ts'
import type { SignUploadOptions } from './index.ts'

const presign = { baseUrl: 'http://files.example/objects', secret: testKey('presign').toString('base64') }
const bytes = Buffer.from('some bytes')
const { digest, size } = digestOf(bytes)

async function world(wrap: (adapter: StorageAdapter) => StorageAdapter = (adapter) => adapter, signs = true) {
  const inner = memory({ id: 'store', ...(signs ? { presign } : {}) })
  const catalog = await openCatalog({ type: 'memory' })
  const stowage = await createStowage(
    { sources: [{ id: 'store', type: 'memory', isPublic: true }] },
    { background: false, adapters: { store: wrap(inner) }, catalog },
  )
  const { datasets } = stowage.as({ userId: 'ada', userType: 'external' })
  const cats = await datasets.create({ name: 'cats' })
  const { draft } = await cats.draft()
  const serve = presignHandler([inner], presign)
  const send = async ({ url, headers }: { url: string; headers: Record<string, string> }, body: Buffer) => {
    const length = { 'content-length': String(body.length) }
    const init = { method: 'PUT', headers: { ...headers, ...length }, body: Uint8Array.from(body) }
    const { status } = await serve(new Request(url, init))
    return status
  }
  /** Signs and sends, in one PUT or in parts. */
  const upload = async (path: string, sent: Buffer, options: Partial<SignUploadOptions> = {}) => {
    const signed = await draft.signUpload(path, { size, digest, ...options })
    if (signed.kind === 'single') expect(await send(signed.request, sent)).toBe(200)
    else for (const part of signed.parts) await send(part, sent.subarray(part.start, part.start + part.size))
    return signed
  }
  return { inner, catalog, stowage, datasets, cats, draft, upload, send }
}

/** An adapter of which one method waits before its n-th call. */
function holding(adapter: StorageAdapter, method: 'get' | 'listParts', nth: number, until: Promise<unknown>) {
  let calls = 0
  const held = async () => {
    if (++calls === nth) await until
  }
  return new Proxy(adapter, {
    get(target, property) {
      const value = Reflect.get(target, property, target)
      if (property === 'get' && method === 'get')
        return async (...args: [string]) => held().then(() => target.get(...args))
      if (property === 'multipart' && method === 'listParts') {
        const listParts = async (...args: [string, string]) => held().then(() => target.multipart.listParts(...args))
        return { ...target.multipart, listParts }
      }
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

function withCapabilities(adapter: StorageAdapter, change: (all: Capabilities) => Partial<Capabilities>) {
  const capabilities = { ...adapter.capabilities, ...change(adapter.capabilities) }
  return new Proxy(adapter, {
    get(target, property) {
      if (property === 'capabilities') return capabilities
      const value = Reflect.get(target, property, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

describe('what is wrong with a request is said with its field', () => {
  it.each([
    ['a', { size: -1 }, 'size'],
    ['a', { size: 1.5 }, 'size'],
    ['a', { digest: digest.toUpperCase() }, 'digest'],
    ['a', { digest: 'short' }, 'digest'],
    ['a', { expiresIn: 0 }, 'expiresIn'],
    ['a', { expiresIn: 604_801 }, 'expiresIn'],
    ['a', { partSize: 0 }, 'partSize'],
    ['a', { contentType: 'a\r\nb: c' }, 'contentType'],
    ['a', { blocks: new Uint8Array(33) }, 'blocks'],
    ['a', { blocks: new Uint8Array(32) }, 'blocks'],
  ] as const)('%s %j', async (path, options, field) => {
    const { draft } = await world()
    const error = await expectCode(draft.signUpload(path, { size, digest, ...options }), 'invalid-request')
    expect(error.field).toBe(field)
  })

  it.each(['', '/a', 'a//b', '../a', 'a/', 'a\0b'])('the path %j', async (path) => {
    const { draft, catalog } = await world()
    await expectCode(draft.signUpload(path, { size, digest }), 'invalid-key')
    expect(await catalog.sync.list('draft/')).toEqual([])
  })

  it('pages of parts', async () => {
    const { draft } = await world()
    const options = { size: 2500, digest, partSize: 1 }
    const signed = await draft.signUpload('a', options)
    expect(signed).toMatchObject({ kind: 'parts', partCount: 2500 })
    expect((signed as { parts: unknown[] }).parts).toHaveLength(100)
    const page = await draft.signParts('a', { first: 2001, count: 1000 })
    expect(page.parts.map((part) => part.partNumber)).toEqual(Array.from({ length: 500 }, (_, i) => 2001 + i))
    expect(page.parts.at(-1)).toMatchObject({ start: 2499, size: 1 })
    await expectCode(draft.signParts('a', { count: 1001 }), 'invalid-request')
    await expectCode(draft.signParts('a', { first: 0 }), 'invalid-request')
    await expectCode(draft.signParts('b'), 'not-found')
  })
})

describe('a store', () => {
  it('that cannot sign says so, with what to do', async () => {
    const { draft } = await world(undefined, false)
    const error = await expectCode(draft.signUpload('a', { size, digest }), 'not-supported')
    expect(error.hint).toContain('presignHandler')
  })

  it('that signs no parts takes a large file in one PUT, and none with metadata', async () => {
    const { draft } = await world((adapter) => withCapabilities(adapter, () => ({ presign: ['get', 'put'] })))
    expect(await draft.signUpload('a', { size, digest, partSize: 1 })).toMatchObject({ kind: 'single' })
    const error = await expectCode(draft.signUpload('b', { size, digest, metadata: { a: 'b' } }), 'not-supported')
    expect(error.field).toBe('metadata')
  })

  it('without create-only puts gets even a small file in parts, since a PUT could be repeated after it was read', async () => {
    const { draft, upload, send } = await world((adapter) =>
      withCapabilities(adapter, ({ conditional }) => ({ conditional: { ...conditional, putCreateOnly: false } })),
    )
    const signed = await upload('a', bytes)
    expect(signed.kind).toBe('parts')
    await draft.acceptUpload('a')
    for (const part of signed.kind === 'parts' ? signed.parts : []) expect(await send(part, bytes)).toBe(404)
  })
})

describe('one path', () => {
  it('has one upload by URL, of one file', async () => {
    const { draft, upload } = await world()
    await upload('a', bytes)
    await expectCode(draft.signUpload('a', { size: 3, digest }), 'conflict')
    await expectCode(draft.signUpload('a', { size, digest, contentType: 'text/x' }), 'conflict')
    await draft.acceptUpload('a')
    await expectCode(draft.signUpload('a', { size, digest }), 'conflict')
    await expectCode(draft.acceptUpload('never signed'), 'not-found')
  })

  it('that was begun by URL is closed to other uploads, and what was uploaded otherwise to URLs', async () => {
    const { draft } = await world()
    await draft.signUpload('a', { size, digest })
    await expectCode(draft.put('a', bytes), 'conflict')
    const folder = tempDir('clash')
    mkdirSync(join(folder, 'sub'))
    writeFileSync(join(folder, 'a'), 'a')
    await expectCode(draft.uploadFolder(folder), 'conflict')
    await draft.cancelUpload('a')
    await expectCode(draft.put('a', bytes), 'conflict')
    await draft.put('b', bytes)
    await expectCode(draft.signUpload('b', { size, digest }), 'conflict')
    expect(await draft.countFiles()).toBe(1)
  })

  it('signed by several at once is one upload, and no other is left in the store', async () => {
    const { draft, inner } = await world()
    const options = { size, digest, partSize: 4 }
    const all = await Promise.all([1, 2, 3, 4].map(() => draft.signUpload('a', options)))
    const ids = new Set(all.map((signed) => (signed.kind === 'parts' ? signed.uploadId : '')))
    const there = await inner.multipart.list(`${draft.draft.path}${draft.id}/a`)
    expect(there.map(({ uploadId }) => uploadId)).toEqual([...ids].filter((id) => there.some((u) => u.uploadId === id)))
    expect(there).toHaveLength(1)
    const last = await draft.signUpload('a', options)
    expect(last).toMatchObject({ uploadId: there[0]?.uploadId })
  })

  it('is not signed where something lies that nobody knows of', async () => {
    const { draft, inner, upload } = await world()
    await inner.put(`${draft.draft.path}${draft.id}/a`, Buffer.from('left by a crash'))
    await upload('a', bytes)
    expect((await draft.acceptUpload('a')).key).toBe(`${draft.id}.2/a`)
  })
})

describe('an acceptance that is overtaken', () => {
  it('by a refusal refuses too, though the object is gone when it looks', async () => {
    const { promise: held, resolve: go } = Promise.withResolvers<void>()
    const { draft, upload } = await world((adapter) => holding(adapter, 'get', 1, held))
    await upload('a', Buffer.from('other byte'))
    const slow = expectCode(draft.acceptUpload('a'), 'integrity')
    await expectCode(draft.acceptUpload('a'), 'integrity')
    go()
    await slow
  })

  it('by another acceptance gives the same file, though the upload is gone when it looks', async () => {
    const { promise: held, resolve: go } = Promise.withResolvers<void>()
    const { draft, upload } = await world((adapter) => holding(adapter, 'listParts', 1, held))
    await upload('a', bytes, { partSize: 4 })
    const slow = draft.acceptUpload('a')
    const file = await draft.acceptUpload('a')
    go()
    expect(await slow).toEqual(file)
  })
})

describe('parts that the store knows no more', () => {
  it('are not sent again when they are an object by now: the acceptance that died is called again', async () => {
    let dies = true
    const { draft, upload } = await world((adapter) => {
      const get = async (...args: [string]) => {
        const found = await adapter.get(...args)
        if (!dies) return found
        dies = false
        found.body.destroy()
        throw new StowageError('unavailable', 'gone')
      }
      return new Proxy(adapter, {
        get(target, property) {
          const value = property === 'get' ? get : Reflect.get(target, property, target)
          return typeof value === 'function' ? value.bind(target) : value
        },
      })
    })
    await upload('a', bytes, { partSize: 4 })
    await expectCode(draft.acceptUpload('a'), 'unavailable')
    expect((await draft.signParts('a', { missing: true })).parts).toEqual([])
    expect(await draft.acceptUpload('a')).toMatchObject({ digest })
  })

  it('because the store threw them away are begun anew', async () => {
    const { draft, upload, inner } = await world()
    const signed = await upload('a', bytes, { partSize: 4 })
    await inner.multipart.abort(`${draft.draft.path}${draft.id}/a`, signed.kind === 'parts' ? signed.uploadId : '')
    for (const call of [draft.acceptUpload('a'), draft.signParts('a', { missing: true })]) {
      expect((await expectCode(call, 'not-found')).hint).toContain('cancelUpload')
    }
    await draft.cancelUpload('a')
    await upload('a', bytes, { partSize: 4 })
    expect(await draft.acceptUpload('a')).toMatchObject({ digest })
  })
})

it('a file that was changed behind our back after it was accepted stops the publish', async () => {
  const { draft, inner, upload, cats } = await world()
  await upload('a', bytes)
  const file = await draft.acceptUpload('a')
  await inner.put(draft.draft.path + file.key, Buffer.from('SOME BYTES'))
  const error = await expectCode(cats.publish(draft), 'integrity')
  expect(error.message).toContain('"a"')
  expect(await cats.versions()).toEqual([])
})

it('a publish names the uploads that it waits for, and takes those in that were found right', async () => {
  const { draft, upload, cats, stowage } = await world()
  await upload('right', bytes)
  await draft.acceptUpload('right')
  for (let i = 0; i < 12; i++) await draft.signUpload(`waits ${String(i).padStart(2, '0')}`, { size, digest })
  const error = await expectCode(cats.publish(draft), 'conflict')
  expect(error.message).toMatch(/"waits 00", .*"waits 09" and 2 more/)
  for (let i = 0; i < 12; i++) await draft.cancelUpload(`waits ${String(i).padStart(2, '0')}`)
  expect((await cats.publish(draft)).fileCount).toBe(1)
  await stowage.close()
})

it('an empty file is a file too, in one PUT and in parts', async () => {
  const { draft, upload, cats } = await world()
  const none = digestOf(new Uint8Array())
  await upload('one', Buffer.alloc(0), { size: 0, digest: none.digest })
  await upload('parts', Buffer.alloc(0), { size: 0, digest: none.digest, metadata: { a: 'b' } })
  await draft.acceptUpload('one')
  await draft.acceptUpload('parts')
  expect(await cats.publish(draft)).toMatchObject({ fileCount: 2, size: 0 })
})

it('a note of a newer version is left alone', async () => {
  const { draft, upload, catalog } = await world()
  await upload('a', bytes)
  const [key = ''] = await catalog.sync.list(`draft/${draft.id}/signed/`)
  const found = await catalog.sync.get(key)
  await catalog.sync.put(key, Buffer.from('{"format":2}'), found?.revision ?? null)
  await expectCode(draft.acceptUpload('a'), 'newer-format')
  await expectCode(draft.signUpload('a', { size, digest }), 'newer-format')
})
