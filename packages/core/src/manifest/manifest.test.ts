import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compareKeys } from '../keys/index.ts'
import { MANIFEST_FORMAT, Manifest, type ManifestEntry, rangeKey, rootKey, sha256, writeManifest } from './index.ts'

function entry(path: string, size = path.length): ManifestEntry {
  return { path, key: `draft/${path}`, size, digest: sha256(Buffer.from(path)) }
}

function bucket() {
  const objects = new Map<string, Uint8Array>()
  const gets: string[] = []
  return {
    objects,
    gets,
    put: async (key: string, bytes: Uint8Array) => {
      objects.set(key, bytes)
    },
    get: async (key: string) => {
      gets.push(key)
      const bytes = objects.get(key)
      if (bytes === undefined) throw new Error(`no ${key}`)
      return bytes
    },
  }
}

async function all(manifest: Manifest, prefix?: string, after?: string): Promise<ManifestEntry[]> {
  const out: ManifestEntry[] = []
  for await (const item of manifest.entries(prefix, after)) out.push(item)
  return out
}

const small = { averageEntries: 4, maxEntries: 6 }

describe('manifest', () => {
  it('gives back what was written, finds every path and no other, at any cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 6 }), { maxLength: 60 }),
        async (names) => {
          const entries = names.sort(compareKeys).map((name) => entry(name))
          const store = bucket()
          const { digest } = await writeManifest(entries, store.put, small)
          const manifest = await Manifest.open(digest, store.get)
          expect(await all(manifest)).toEqual(entries)
          expect(manifest.root.fileCount).toBe(entries.length)
          expect(manifest.root.size).toBe(entries.reduce((sum, e) => sum + e.size, 0))
          for (const one of entries) expect(await manifest.find(one.path)).toEqual(one)
          expect(await manifest.find('not there, with more than six')).toBeUndefined()
          const prefix = names[0]?.slice(0, 1) ?? 'x'
          expect(await all(manifest, prefix)).toEqual(entries.filter((e) => e.path.startsWith(prefix)))
          const after = names[names.length >> 1] ?? 'x'
          const later = entries.filter((e) => compareKeys(e.path, after) > 0)
          expect(await all(manifest, '', after)).toEqual(later)
          expect(await all(manifest, prefix, after)).toEqual(later.filter((e) => e.path.startsWith(prefix)))
        },
      ),
    )
  })

  it('shares the ranges that two versions have in common', async () => {
    const names = Array.from({ length: 2000 }, (_, i) => `f/${String(i).padStart(6, '0')}`)
    const store = bucket()
    const options = { averageEntries: 50, maxEntries: 200 }
    const one = await writeManifest(
      names.map((name) => entry(name)),
      store.put,
      options,
    )
    const two = await writeManifest(
      [...names.slice(0, 1000), 'f/000999-new', ...names.slice(1000)].map((name) => entry(name)),
      store.put,
      options,
    )
    const known = new Set(one.root.ranges.map((range) => range.digest))
    expect(two.root.ranges.filter((range) => !known.has(range.digest)).length).toBeLessThanOrEqual(2)
    expect(two.digest).not.toBe(one.digest)
  })

  it('refuses paths that do not rise in UTF-8 byte order', async () => {
    const store = bucket()
    await expect(writeManifest([entry('b'), entry('a')], store.put)).rejects.toMatchObject({ code: 'invalid-request' })
    await expect(writeManifest([entry('a'), entry('a')], store.put)).rejects.toMatchObject({ code: 'invalid-request' })
    await expect(writeManifest([entry('\u{1f600}'), entry('\uff5e')], store.put)).rejects.toMatchObject({
      code: 'invalid-request',
    })
  })

  it('notices a damaged or swapped object', async () => {
    const store = bucket()
    const a = await writeManifest([entry('a')], store.put)
    const b = await writeManifest([entry('b')], store.put)
    const rangeOf = (m: typeof a) => rangeKey(m.root.ranges[0]?.digest ?? '')
    store.objects.set(rangeOf(a), store.objects.get(rangeOf(b)) as Uint8Array)
    const manifest = await Manifest.open(a.digest, store.get)
    await expect(manifest.find('a')).rejects.toMatchObject({ code: 'integrity' })
    await writeManifest([entry('a')], store.put)
    expect(await manifest.find('a')).toEqual(entry('a'))
    store.objects.set(rootKey(a.digest), Buffer.from('not gzip'))
    await expect(Manifest.open(a.digest, store.get)).rejects.toMatchObject({ code: 'integrity' })
  })

  it('refuses a newer format', async () => {
    const { gzipSync } = await import('node:zlib')
    const bytes = Buffer.from(JSON.stringify({ format: MANIFEST_FORMAT + 1 }))
    const store = bucket()
    store.objects.set(rootKey(sha256(bytes)), gzipSync(bytes))
    await expect(Manifest.open(sha256(bytes), store.get)).rejects.toMatchObject({ code: 'newer-format' })
  })

  it('writes an empty manifest', async () => {
    const store = bucket()
    const { digest, root } = await writeManifest([], store.put)
    expect(root).toMatchObject({ ranges: [], fileCount: 0, size: 0 })
    expect(await all(await Manifest.open(digest, store.get))).toEqual([])
  })

  it('reads a range once for files that are asked for in order', async () => {
    const store = bucket()
    const names = Array.from({ length: 100 }, (_, i) => `f/${String(i).padStart(6, '0')}`)
    const { digest } = await writeManifest(
      names.map((name) => entry(name)),
      store.put,
    )
    const manifest = await Manifest.open(digest, store.get)
    for (const name of names) await manifest.find(name)
    expect(store.gets.length).toBe(2)
  })
})
