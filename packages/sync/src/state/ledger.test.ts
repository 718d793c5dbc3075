import { deflateRawSync } from 'node:zlib'
import { compareKeys, hasCode, StowageError } from '@stowage/core'
import { FakeClock, repeats, seededRandom } from '@stowage/core/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { memoryStore } from '../stores/index.ts'
import { decodeEntries, encodeEntries, entryCost } from './ledger-codec.ts'
import type { LedgerEntry } from './ledger-entry.ts'
import { type EntryOrigin, mergeEntries, overlay, readLedger } from './ledger-reader.ts'
import { CHUNK_ENTRIES, LedgerWriter } from './ledger-writer.ts'
import { above, type ChunkRef, decodePair, emptyPair, encodePair } from './pair-record.ts'

const signal = new AbortController().signal
const records = () => ({
  store: memoryStore({ clock: new FakeClock() }),
  clock: new FakeClock(),
  random: seededRandom(1),
})

const etag = fc.oneof(
  fc.stringMatching(/^[0-9a-f]{32}$/),
  fc.stringMatching(/^[0-9a-f]{32}-[1-9]$/),
  fc.string({ unit: 'grapheme' }),
)
const print = fc.record({ etag, size: fc.nat({ max: Number.MAX_SAFE_INTEGER }) })
const entry: fc.Arbitrary<LedgerEntry> = fc
  .record({
    key: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 30 }).filter((key) => key.isWellFormed()),
    source: print,
    target: print,
    same: fc.boolean(),
    digest: fc.option(fc.stringMatching(/^[0-9a-f]{64}$/), { nil: undefined }),
  })
  .map(({ key, source, target, same, digest }) => {
    return { key, source, target: same ? source : target, ...(digest === undefined ? {} : { digest }) }
  })
const entries = (maxLength: number) =>
  fc
    .uniqueArray(entry, { selector: ({ key }) => key, maxLength })
    .map((list) => list.sort((a, b) => compareKeys(a.key, b.key)))

describe('a ledger chunk', () => {
  it('reads as it was written, and never costs more than was thought', () => {
    fc.assert(
      fc.property(entries(40), (list) => {
        const bytes = encodeEntries(list)
        expect(decodeEntries('r', bytes)).toEqual(list)
        expect(bytes.length).toBeLessThanOrEqual(list.reduce((sum, one) => sum + entryCost(one), 64))
      }),
      { numRuns: repeats(100, 2000) },
    )
  })

  it('of a newer format is left alone, and damage is told', () => {
    const bytes = encodeEntries([{ key: 'k', source: { etag: 'a', size: 1 }, target: { etag: 'b', size: 1 } }])
    const newer = Buffer.from(bytes)
    newer[0] = 2
    expect(() => decodeEntries('r', newer)).toThrow(
      expect.toSatisfy((error: unknown) => hasCode(error, 'newer-format')),
    )
    for (const broken of [
      bytes.subarray(0, bytes.length - 2),
      Buffer.concat([bytes.subarray(0, 2), Buffer.from('nonsense')]),
      // More shared than the key before has, and a rest longer than all that follows.
      Buffer.concat([bytes.subarray(0, 2), deflateRawSync(Uint8Array.of(0, 5, 1, 107, 1, 0))]),
      Buffer.concat([bytes.subarray(0, 2), deflateRawSync(Uint8Array.of(0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f))]),
    ]) {
      expect(() => decodeEntries('r', broken)).toThrow(
        expect.toSatisfy((error: unknown) => hasCode(error, 'integrity')),
      )
    }
  })
})

it('a pair record reads as it was written', () => {
  const ref: ChunkRef = { first: 'a', last: 'é\u{1f600}', count: 3, record: 'pair/x/ledger/1-1', level: 0 }
  const state = { ...emptyPair(), token: 7, cursor: 'c', done: [ref], rest: [{ ...ref, level: 1 }], ahead: ref }
  expect(decodePair('k', encodePair(state))).toEqual(state)
  const newer = Buffer.from(encodePair(state)).toString().replace('"format":1', '"format":3')
  expect(() => decodePair('k', Buffer.from(newer))).toThrow(
    expect.toSatisfy((e: unknown) => hasCode(e, 'newer-format')),
  )
})

function numbered(from: number, to: number, mark = ''): LedgerEntry[] {
  return Array.from({ length: to - from }, (_, i) => {
    const key = `k${String(from + i).padStart(8, '0')}`
    return { key, source: { etag: `s${mark}`, size: 1 }, target: { etag: 't', size: 1 } }
  })
}

/** Where an entry of a page lies. */
function placed(page: EntryOrigin | undefined, at: number): EntryOrigin | undefined {
  return page && { chunk: page.chunk, index: page.index + at }
}

/** Writes a pass over the old ledger in which some entries are replaced, dropped or added; returns the references and what was written. */
async function pass(
  world: ReturnType<typeof records>,
  token: number,
  old: readonly ChunkRef[],
  next: (entry: LedgerEntry) => LedgerEntry | undefined,
  flushEvery: number,
) {
  let names = 0
  let written = 0
  const writer = new LedgerWriter(
    world,
    [],
    '',
    () => {
      written++
      return `pair/x/ledger/${token}-${++names}`
    },
    signal,
  )
  let refs: ChunkRef[] = []
  let cursor = ''
  let count = 0
  const commit = async (last: boolean) => {
    ;({ refs, cursor } = await writer.flush(last))
    for (const record of writer.takeDropped(cursor)) await world.store.delete(record)
  }
  for await (const { entries: page, origin: from } of readLedger(world, old, '', signal, (read) =>
    writer.consumed(read),
  )) {
    for (const [index, known] of page.entries()) {
      const changed = next(known)
      const origin = changed === known ? placed(from, index) : undefined
      if (changed !== undefined) await writer.append(changed, origin)
      writer.settle(known.key)
      if (++count % flushEvery === 0) await commit(false)
    }
  }
  await commit(true)
  return { refs, written, cursor }
}

async function contents(world: ReturnType<typeof records>, refs: readonly ChunkRef[], after = '') {
  const all: LedgerEntry[] = []
  for await (const page of readLedger(world, refs, after, signal)) all.push(...page.entries)
  return all
}

async function seeded(world: ReturnType<typeof records>, list: LedgerEntry[]): Promise<ChunkRef[]> {
  let names = 0
  const writer = new LedgerWriter(world, [], '', () => `pair/x/ledger/0-${++names}`, signal)
  for (const one of list) {
    await writer.append(one)
    writer.settle(one.key)
  }
  return (await writer.flush(true)).refs
}

describe('the ledger over passes', () => {
  it('takes unchanged chunks over as they are, and leaves no record behind that is not referred to', async () => {
    const world = records()
    const list = numbered(0, 5 * CHUNK_ENTRIES)
    const refs = await seeded(world, list)
    expect(refs.length).toBe(5)
    const same = await pass(world, 1, refs, (known) => known, 3000)
    expect(same.written).toBe(0)
    expect(same.refs).toEqual(refs)
    const target = numbered(9000, 9001)[0]?.key
    const one = await pass(
      world,
      2,
      refs,
      (known) => (known.key === target ? { ...known, source: { etag: 'new', size: 2 } } : known),
      3000,
    )
    expect(
      one.refs.map(({ record }) => record).filter((record) => refs.some((ref) => ref.record === record)),
    ).toHaveLength(4)
    expect((await contents(world, one.refs)).find(({ key }) => key === target)?.source.etag).toBe('new')
    expect(await world.store.list('')).toHaveLength(one.refs.length)
  })

  it('holds exactly what a list holds, whatever is changed, dropped and flushed', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 9000 }),
        fc.integer({ min: 1, max: 4000 }),
        fc.array(fc.record({ at: fc.nat({ max: 9000 }), what: fc.constantFrom('drop', 'change') }), { maxLength: 30 }),
        async (size, flushEvery, edits) => {
          const world = records()
          let expected = numbered(0, size)
          let refs = await seeded(world, expected)
          for (let token = 1; token <= 2; token++) {
            const at = new Map(edits.map((edit) => [numbered(edit.at, edit.at + 1)[0]?.key, edit.what]))
            const next = (known: LedgerEntry): LedgerEntry | undefined => {
              const what = at.get(known.key)
              if (what === undefined) return known
              return what === 'drop' ? undefined : { ...known, source: { etag: `n${token}`, size: 5 } }
            }
            expected = expected.flatMap((known) => next(known) ?? [])
            ;({ refs } = await pass(world, token, refs, next, flushEvery))
            expect(await contents(world, refs)).toEqual(expected)
            expect((await world.store.list('')).sort()).toEqual(refs.map(({ record }) => record).sort())
          }
        },
      ),
      { numRuns: repeats(15, 200) },
    )
  })

  it('loses nothing when the store fails amid it and what failed is done again', async () => {
    const edits = fc.array(fc.record({ at: fc.nat({ max: 9000 }), what: fc.constantFrom('drop', 'change') }), {
      maxLength: 6,
    })
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 600, max: 9000 }), edits, async (size, list) => {
        const world = records()
        const old = numbered(0, size)
        const refs = await seeded(world, old)
        const what = new Map(list.map((edit) => [numbered(edit.at, edit.at + 1)[0]?.key, edit.what]))
        let puts = 0
        const { put } = world.store
        world.store.put = async (...args) => {
          if (puts++ % 2 === 0) throw new StowageError('access-denied', 'Not now.')
          return await put.apply(world.store, args)
        }
        let names = 0
        const writer = new LedgerWriter(world, [], '', () => `pair/x/ledger/1-${++names}`, signal)
        const again = async <T>(work: () => Promise<T>): Promise<T> => await work().catch(work)
        const expected: LedgerEntry[] = []
        for await (const { entries: page, origin: from } of readLedger(world, refs, '', signal)) {
          for (const [index, known] of page.entries()) {
            const edit = what.get(known.key)
            const next = edit === 'change' ? { ...known, source: { etag: 'new', size: 5 } } : known
            const origin = edit === undefined ? placed(from, index) : undefined
            if (edit !== 'drop') {
              await again(() => writer.append(next, origin))
              expected.push(next)
            }
            writer.settle(known.key)
          }
        }
        const end = await again(() => writer.flush(true)).catch(() => writer.flush(true))
        expect(await contents(world, end.refs)).toEqual(expected)
      }),
      { numRuns: repeats(15, 200) },
    )
  })

  it('moves references into records of their own before the pair record is full, and reads through them', async () => {
    const world = records()
    const long = 'x'.repeat(700)
    const list = Array.from({ length: 40_000 }, (_, i) => {
      const key = `${long}${String(i).padStart(6, '0')}`
      return { key, source: { etag: '', size: 1 }, target: { etag: '', size: 1 } }
    })
    const refs = await seeded(world, list)
    expect(refs.some(({ level }) => level > 0)).toBe(true)
    expect(encodePair({ ...emptyPair(), done: refs }).length).toBeLessThan(300 * 1024)
    const after = list[30_000]?.key ?? ''
    expect((await contents(world, above(refs, after), after)).length).toBe(9_999)
    const same = await pass(world, 1, refs, (known) => known, 10_000)
    expect((await contents(world, same.refs)).length).toBe(40_000)
  })

  it('entries that were written along beyond the cursor win', async () => {
    await fc.assert(
      fc.asyncProperty(entries(30), entries(30), fc.integer({ min: 1, max: 7 }), async (base, over, size) => {
        async function* pages() {
          for (let at = 0; at < base.length; at += size) yield { entries: base.slice(at, at + size) }
        }
        const all: LedgerEntry[] = []
        for await (const page of overlay(pages(), over)) all.push(...page.entries)
        expect(all).toEqual(mergeEntries(base, over))
      }),
      { numRuns: repeats(100, 1000) },
    )
  })
})
