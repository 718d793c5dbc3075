import { checkKey, compareKeys, type KeyRules, type StorageAdapter } from '@stowage/core'
import { expectCode } from '@stowage/core/testing'
import fc from 'fast-check'
import pLimit from 'p-limit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { keysOf, readBytes, streamOf, text } from '../bytes.ts'
import { countRequests } from './counting.ts'
import { anyKey, anyName, anyValue } from './texts.ts'

/** An adapter that is to be fuzzed. */
interface FuzzedAdapter {
  adapter: StorageAdapter
  cleanup(): Promise<void>
}

/** What {@link fuzzAdapter} is told. */
export interface FuzzSuite {
  name: string
  /** Keys, and values of metadata, to try. */
  count: number
  /** Makes an adapter on an empty place of its own. */
  create(): Promise<FuzzedAdapter>
  /** The same kind at a server that only counts. Left out where there are no requests. */
  createAt?(endpoint: string): StorageAdapter
  /** The name of the counting server's host. @defaultValue '127.0.0.1' */
  host?: string
  /** Whether presigned URLs can be fetched. @defaultValue true where there are any */
  fetches?: boolean
}

const timeoutMs = 1_800_000
/** So many keys at most at the root of a place: MinIO goes through all of them for every listing of a prefix. */
const besideEachOther = 100
const bytesOf = (key: string): Uint8Array => text(`the bytes of ${key}`)

/**
 * Thousands of keys and of metadata values, the same for every adapter: each comes back byte for byte through every call, or is refused
 * before a request is sent.
 */
export function fuzzAdapter(suite: FuzzSuite): void {
  const { count } = suite
  describe(`${suite.name}, fuzzed`, () => {
    let under: FuzzedAdapter
    const limit = pLimit(16)
    // About one in four comes twice.
    const keys = [...new Set(fc.sample(anyKey, { numRuns: 2 * count }))].slice(0, count)

    beforeAll(async () => {
      under = await suite.create()
    })
    afterAll(() => under?.cleanup())

    /** Some keys beside each other: written, read, found, copied, uploaded in parts, presigned and deleted. */
    async function throughEveryCall(some: readonly string[]): Promise<void> {
      const { adapter } = under
      await limit.map(some, (key) => adapter.put(key, bytesOf(key), { metadata: { key } }))
      expect(await keysOf(adapter, {})).toEqual([...some].sort(compareKeys))
      await limit.map(some, async (key) => {
        const told = JSON.stringify(key)
        const info = await adapter.head(key)
        expect([info.key, info.metadata], told).toEqual([key, { key }])
        expect((await readBytes(adapter, key)).equals(bytesOf(key)), told).toBe(true)
        expect(await firstKey(adapter, key), told).toBe(key)
      })
      await limit.map(some, async (key, index) => {
        if (index % 3 === 0) await copies(adapter, key, `copied-${index}/${key}`)
        if (index % 3 === 1 && checkKey(key, adapter.capabilities.keys, true) === undefined) {
          await uploadsInParts(adapter, key, `uploaded-${index}/${key}`)
        }
        if (index % 3 === 2 && suite.fetches !== false) await presigns(adapter, key, `presigned-${index}/${key}`)
      })
      expect(await keysOf(adapter, {})).toEqual([...some].sort(compareKeys))
      const half = some.length >> 1
      const { deleted, failed } = await adapter.deleteMany(some.slice(half))
      expect(failed).toEqual([])
      expect(deleted.sort()).toEqual(some.slice(half).sort())
      await limit.map(some.slice(0, half), (key) => adapter.delete(key))
      expect(await keysOf(adapter, {})).toEqual([])
    }

    /** Keys in many pages of a listing, each of which begins after an odd one. */
    async function inOneListing(good: readonly string[]): Promise<void> {
      const { adapter } = under
      await limit.map(good, (key) => adapter.put(key, bytesOf(key)))
      expect(await keysOf(adapter, {})).toEqual([...good].sort(compareKeys))
      const { failed } = await adapter.deleteMany([...good])
      expect(failed).toEqual([])
      expect(await keysOf(adapter, {})).toEqual([])
    }

    it(
      'takes a key whole through every call',
      async () => {
        expect(keys.length).toBe(count)
        const rules = under.adapter.capabilities.keys
        const good = together(
          keys.filter((key) => isGood(key, rules)),
          rules,
        )
        expect(good.length).toBeGreaterThan(keys.length / 10)
        const batches = Math.ceil(good.length / besideEachOther)
        for (let batch = 0; batch < batches; batch++) {
          // Spread evenly, so that keys of all kinds are beside each other.
          await throughEveryCall(good.filter((_, index) => index % batches === batch))
        }
        if (batches > 1) await inOneListing(good)
      },
      timeoutMs,
    )

    it(
      'refuses other keys with the reason, before a request is sent and a byte is read',
      async () => {
        await using server = await countRequests(suite.host)
        const adapter = suite.createAt?.(server.endpoint) ?? under.adapter
        const bad = keys.filter((key) => checkKey(key, adapter.capabilities.keys) !== undefined)
        expect(bad.length).toBeGreaterThan(0)
        let read = 0
        await limit.map(bad, async (key) => {
          const body = streamOf(text('x'), 1, () => read++)
          const error = await expectCode(adapter.put(key, body, { size: 1 }), 'invalid-key')
          expect(error.message).toContain(checkKey(key, adapter.capabilities.keys))
          await expectCode(adapter.head(key), 'invalid-key')
          await expectCode(adapter.get(key), 'invalid-key')
          await expectCode(adapter.delete(key), 'invalid-key')
          await expectCode(adapter.copy('source', key), 'invalid-key')
          await expectCode(adapter.copy(key, 'target'), 'invalid-key')
          await expectCode(adapter.multipart.create(key), 'invalid-key')
          await expectCode(adapter.multipart.uploadPart(key, 'id', 1, text('x')), 'invalid-key')
          for (const method of adapter.capabilities.presign) {
            const part = { uploadId: 'id', partNumber: 1 }
            await expectCode(adapter.presign({ method, key, expiresIn: 60, ...part }), 'invalid-key')
          }
          const { failed } = await adapter.deleteMany([key])
          expect(failed.map((one) => one.error.code)).toEqual(['invalid-key'])
        })
        const notInParts = keys.filter(
          (key) =>
            isGood(key, adapter.capabilities.keys) && checkKey(key, adapter.capabilities.keys, true) !== undefined,
        )
        for (const key of notInParts) {
          await expectCode(adapter.multipart.create(key), 'invalid-key')
          await expectCode(adapter.multipart.uploadPart(key, 'id', 1, text('x')), 'invalid-key')
        }
        expect([read, server.requests()]).toEqual([0, 0])
        if (adapter !== under.adapter) await adapter.close()
        expect(await keysOf(under.adapter, {})).toEqual([])
      },
      timeoutMs,
    )

    it(
      'gives metadata back as it was, or refuses it before a request is sent',
      async () => {
        const { adapter } = under
        if (adapter.capabilities.metadata === 'none') return
        await using server = await countRequests(suite.host)
        const counted = suite.createAt?.(server.endpoint)
        const given = fc.sample(fc.dictionary(anyName, anyValue, { maxKeys: 3 }), { numRuns: count })
        const kept: Record<string, string>[] = []
        await limit.map(given, async (some, index) => {
          const metadata = { ...some }
          const key = `k${index}`
          const error = counted && (await expectCode(counted.put(key, text('x'), { metadata }), 'invalid-request'))
          if (counted === undefined || server.asked(key)) {
            kept.push(metadata)
            return
          }
          const told = `${JSON.stringify(metadata)}: ${error?.message}`
          expect(error?.field, told).toMatch(/^metadata/)
          expect(isPlainEnough(metadata), told).toBe(false)
        })
        expect(kept.length).toBeGreaterThan(given.length / 4)
        if (counted !== undefined) expect(kept.length).toBeLessThan(given.length)
        const written: string[] = []
        await limit.map(kept, async (metadata, index) => {
          const key = `k${index}`
          const put = adapter.put(key, text('x'), { metadata })
          if (counted === undefined && !Object.values(metadata).every((value) => value.isWellFormed())) {
            await expectCode(put, 'invalid-request')
            return
          }
          await put
          written.push(key)
          expect((await adapter.head(key)).metadata, JSON.stringify(metadata)).toEqual(metadata)
        })
        expect((await adapter.deleteMany(written)).failed).toEqual([])
        await counted?.close()
        expect(await keysOf(adapter, {})).toEqual([])
      },
      timeoutMs,
    )
  })
}

async function firstKey(adapter: StorageAdapter, prefix: string): Promise<string | undefined> {
  for await (const { objects } of adapter.list({ prefix, pageSize: 1 })) return objects[0]?.key
  return undefined
}

/** The key itself, and in the folders that the calls put it in. */
function isGood(key: string, rules: KeyRules): boolean {
  return checkKey(key, rules) === undefined && checkKey(`presigned-12345/${key}`, rules) === undefined
}

/** Keys that can be side by side: where an object cannot also be a folder, only the first of such. */
function together(keys: readonly string[], { objectAndFolder }: KeyRules): string[] {
  if (objectAndFolder) return [...keys]
  const folders = new Set(keys.flatMap((key) => [...key.matchAll(/\//g)].map(({ index }) => key.slice(0, index))))
  return keys.filter((key) => !folders.has(key) && !folders.has(key.replace(/\/$/, '')))
}

/** Metadata that every store takes: valid Unicode, of little more than a thousand bytes as it is sent. */
function isPlainEnough(metadata: Record<string, string>): boolean {
  const entries = Object.entries(metadata)
  const bytes = entries.reduce((sum, [name, value]) => sum + 4 * name.length + 2 * Buffer.byteLength(value) + 40, 0)
  return bytes < 1200 && entries.every(([, value]) => value.isWellFormed())
}

async function copies(adapter: StorageAdapter, key: string, target: string): Promise<void> {
  await adapter.copy(key, target)
  expect((await readBytes(adapter, target)).equals(bytesOf(key)), JSON.stringify(key)).toBe(true)
  expect((await adapter.head(target)).metadata).toEqual({ key })
  await adapter.delete(target)
}

async function uploadsInParts(adapter: StorageAdapter, key: string, target: string): Promise<void> {
  const told = JSON.stringify(target)
  const { uploadId } = await adapter.multipart.create(target, { metadata: { key } })
  expect(
    (await adapter.multipart.list(target)).map((upload) => upload.uploadId),
    told,
  ).toEqual([uploadId])
  const part = await adapter.multipart.uploadPart(target, uploadId, 1, bytesOf(key))
  const listed = await adapter.multipart.listParts(target, uploadId)
  expect(
    listed.map(({ etag }) => etag),
    told,
  ).toEqual([part.etag])
  await adapter.multipart.complete(target, uploadId, [part])
  expect((await readBytes(adapter, target)).equals(bytesOf(key)), told).toBe(true)
  expect((await adapter.head(target)).metadata).toEqual({ key })
  await adapter.delete(target)
}

async function presigns(adapter: StorageAdapter, key: string, target: string): Promise<void> {
  const { presign } = adapter.capabilities
  if (presign.includes('get')) {
    const { url, headers } = await adapter.presign({ method: 'get', key, expiresIn: 600, downloadName: 'a b.txt' })
    const answer = await fetch(url, { headers })
    expect([answer.status, await answer.text()], JSON.stringify(key)).toEqual([200, `the bytes of ${key}`])
  }
  if (!presign.includes('put')) return
  const { url, headers, method } = await adapter.presign({ method: 'put', key: target, expiresIn: 600 })
  const answer = await fetch(url, { method, headers, body: Buffer.from(bytesOf(key)) })
  expect(answer.status, JSON.stringify(target)).toBe(200)
  expect((await readBytes(adapter, target)).equals(bytesOf(key)), JSON.stringify(target)).toBe(true)
  await adapter.delete(target)
}
