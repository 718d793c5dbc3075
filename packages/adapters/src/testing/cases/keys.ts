import { checkKey, compareKeys } from '@stowage/core'
import { expectCode } from '@stowage/core/testing'
import { expect } from 'vitest'
import { keysOf, readBytes, streamOf, text } from '../bytes.ts'
import type { Case, Run } from '../case.ts'

/** Names that stores, paths, URLs and XML have been known to change. */
const oddNames = [
  'a b',
  'a+b',
  'a%b',
  'a%20b',
  'a%25b',
  'a%2Fb',
  ' leading and trailing ',
  'quote"double',
  "quote'single",
  'angle<and>amp&;',
  'pipe|star*ask?colon:',
  'back\\slash',
  'hash#at@semi;comma,',
  'equals=dollar$brace{}[]^`~',
  '文件/数据.txt',
  '데이터',
  'emoji-😀.bin',
  '\u{10000}above',
  '\uff5ebelow',
  '\ue000private',
  'composed-\u00e9',
  'decomposed-e\u0301',
  'rtl-\u202eabc',
  'a-b',
  'a/b',
  'a.b',
  'a0b',
  '.hidden',
  '...',
  'con.txt',
  'UPPER',
  '-dash',
  '~tilde',
  '&amp;',
  '%',
  '+',
  ' ',
  'a/ /b',
]

const controlNames = [
  'tab\there',
  'line\nbreak',
  'return\rhere',
  'start\u0001of',
  'delete\u007f',
  'end\n',
  'escape\u001b[0m',
]

/** Keys that some store refuses, folds or hides. */
const doubtfulKeys = [
  '',
  'nul\0byte',
  'lone\ud800surrogate',
  '/lead',
  '//lead',
  'x//y',
  'a/./b',
  'a/../b',
  './a',
  '../a',
  '.',
  '..',
  'a/..',
  'a/.',
  'trail/',
  `${'s'.repeat(256)}/x`,
  'k'.repeat(1025),
  `${'d/'.repeat(101)}x`,
  'new\nline',
  'control\u0002',
  'file__XLDIR__',
  'folder__XLDIR__/x',
]

async function roundTrip({ adapter, capabilities, folder }: Run, names: readonly string[]): Promise<void> {
  const keys = names.map((name) => folder + name).filter((key) => checkKey(key, capabilities.keys) === undefined)
  await Promise.all(keys.map((key) => adapter.put(key, text(`the bytes of ${key}`))))
  for (const key of keys) {
    expect((await readBytes(adapter, key)).toString(), JSON.stringify(key)).toBe(`the bytes of ${key}`)
    expect((await adapter.head(key)).key).toBe(key)
  }
  expect(await keysOf(adapter, { prefix: folder })).toEqual([...keys].sort(compareKeys))
  for (const key of keys) expect(await keysOf(adapter, { prefix: key }), JSON.stringify(key)).toContain(key)
  const { deleted, failed } = await adapter.deleteMany(keys)
  expect(failed).toEqual([])
  expect(deleted.sort()).toEqual([...keys].sort())
  expect(await keysOf(adapter, { prefix: folder })).toEqual([])
}

export const keyCases: Case[] = [
  { name: 'keeps odd keys apart, each with its own bytes', run: (run) => roundTrip(run, oddNames) },
  {
    name: 'keeps keys with control characters, where its rules allow them',
    run: (run) => roundTrip(run, controlNames),
  },
  {
    name: 'finishes a multipart upload and a copy under odd keys',
    run: async ({ adapter, capabilities, folder }) => {
      for (const name of ['a+b %25 "x" <>&.txt', '文件 😀', 'back\\slash?*|']) {
        const key = `${folder}${name}`
        const { uploadId } = await adapter.multipart.create(key)
        expect((await adapter.multipart.list(key)).map((upload) => upload.uploadId)).toEqual([uploadId])
        const part = await adapter.multipart.uploadPart(key, uploadId, 1, text(name))
        await adapter.multipart.complete(key, uploadId, [part])
        expect((await readBytes(adapter, key)).toString()).toBe(name)
        if (capabilities.serverSideCopy === false) continue
        await adapter.copy(key, `${key} (copy)`)
        expect((await readBytes(adapter, `${key} (copy)`)).toString()).toBe(name)
      }
    },
  },
  {
    name: 'refuses the keys that its rules refuse, before a byte is read',
    run: async ({ adapter, capabilities }) => {
      const reserved = capabilities.keys.reserved === undefined ? [] : [`${capabilities.keys.reserved}x`]
      const refused = [...doubtfulKeys, ...reserved].filter((key) => checkKey(key, capabilities.keys) !== undefined)
      expect(refused).toContain('')
      for (const key of refused) {
        let read = false
        const body = streamOf(text('x'), 1, () => {
          read = true
        })
        await expectCode(adapter.put(key, body, { size: 1 }), 'invalid-key')
        expect(read, JSON.stringify(key)).toBe(false)
        await expectCode(adapter.head(key), 'invalid-key')
        await expectCode(adapter.get(key), 'invalid-key')
        await expectCode(adapter.delete(key), 'invalid-key')
        await expectCode(adapter.copy('some/source', key), 'invalid-key')
        await expectCode(adapter.multipart.create(key), 'invalid-key')
        const { deleted, failed } = await adapter.deleteMany([key])
        expect(deleted).toEqual([])
        expect(failed.map((failure) => [failure.key, failure.error.code])).toEqual([[key, 'invalid-key']])
      }
    },
  },
  {
    name: 'uploads in parts under a key that ends in a slash, or refuses it',
    run: async ({ adapter, capabilities, folder }) => {
      const key = `${folder}trail/`
      if (checkKey(key, capabilities.keys) !== undefined) return
      if (checkKey(key, capabilities.keys, true) === undefined) {
        const { uploadId } = await adapter.multipart.create(key)
        const part = await adapter.multipart.uploadPart(key, uploadId, 1, text('x'))
        await adapter.multipart.complete(key, uploadId, [part])
        expect(await keysOf(adapter, { prefix: folder })).toEqual([key])
        expect((await readBytes(adapter, key)).toString()).toBe('x')
        return
      }
      await expectCode(adapter.multipart.create(key), 'invalid-key')
      await expectCode(adapter.multipart.uploadPart(key, 'id', 1, text('x')), 'invalid-key')
      if (capabilities.presign.includes('part')) {
        const part = { uploadId: 'id', partNumber: 1 }
        await expectCode(adapter.presign({ method: 'part', key, expiresIn: 60, ...part }), 'invalid-key')
      }
      expect(await adapter.multipart.list(key)).toEqual([])
    },
  },
  {
    name: 'takes the doubtful keys that its rules allow',
    run: async ({ adapter, capabilities, folder }) => {
      const allowed = doubtfulKeys.filter((key) => checkKey(folder + key, capabilities.keys) === undefined)
      for (const key of allowed) {
        await adapter.put(folder + key, text(key))
        expect((await readBytes(adapter, folder + key)).toString()).toBe(key)
      }
      const listed = await keysOf(adapter, { prefix: folder })
      expect(listed).toEqual(allowed.map((key) => folder + key).sort(compareKeys))
    },
  },
  {
    name: 'takes a key as long as its rules say',
    run: async ({ adapter, capabilities, folder }) => {
      const { maxBytes, maxSegmentBytes = maxBytes } = capabilities.keys
      const segment = 'x'.repeat(Math.min(maxSegmentBytes, 200))
      let key = folder
      while (key.length + segment.length + 1 < maxBytes) key += `${segment}/`
      key += 'y'.repeat(maxBytes - key.length)
      expect(checkKey(key, capabilities.keys)).toBeUndefined()
      await adapter.put(key, text('long'))
      expect((await readBytes(adapter, key)).toString()).toBe('long')
      expect(await keysOf(adapter, { prefix: folder })).toEqual([key])
      await adapter.delete(key)
    },
  },
  {
    name: 'holds an object beside objects below it, or never loses the first of them',
    run: async ({ adapter, capabilities, folder }) => {
      const [object, below] = [`${folder}a`, `${folder}a/b`]
      await adapter.put(object, text('object'))
      if (capabilities.keys.objectAndFolder) {
        await adapter.put(below, text('below'))
        expect(await keysOf(adapter, { prefix: folder })).toEqual([object, below])
      } else {
        await adapter
          .put(below, text('below'))
          .catch((error) => expect(['conflict', 'invalid-key']).toContain(error.code))
      }
      expect((await readBytes(adapter, object)).toString()).toBe('object')
      await adapter.deleteMany([object, below])
    },
  },
]
