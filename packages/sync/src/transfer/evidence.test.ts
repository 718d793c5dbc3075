import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { at, checksumOf, type ObjectInfo, StowageError } from '@stowage/core'
import { FakeClock, repeats, seededRandom } from '@stowage/core/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createSync, memoryStore, type SyncOptions } from '../index.ts'
import { FakeAdapter, patterned } from '../testing/index.ts'
import { crc32Combine } from './crc32-combine.ts'
import { guessPartSize } from './evidence.ts'
import { crcBase64 } from './read.ts'

const MiB = 1024 * 1024

it('combines checksums as if the bytes had been one', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 300 }), (a, b) => {
      expect(crc32Combine(crc32(a), crc32(b), b.length)).toBe(crc32(Buffer.concat([a, b])))
    }),
    { numRuns: repeats(100, 2000) },
  )
  const zeros = Buffer.alloc(9 * MiB + 1)
  expect(crc32Combine(crc32('x'), crc32(zeros), zeros.length)).toBe(crc32(Buffer.concat([Buffer.from('x'), zeros])))
})

it('guesses the size of parts from their number', () => {
  expect(guessPartSize(100 * MiB, 20, 8 * MiB)).toBe(5 * MiB)
  expect(guessPartSize(100 * MiB, 13, 8 * MiB)).toBe(8 * MiB)
  expect(guessPartSize(100 * MiB + 1, 15, 8 * MiB)).toBe(7 * MiB)
  expect(guessPartSize(1000, 7, 150)).toBe(150)
  expect(guessPartSize(1000, 900, 150)).toBeUndefined()
})

const partSize = 1000
const size = 5 * partSize + 10

/** A source whose object was made as a tool would have made it, and that tells what its kind tells. */
function source(
  kind: 'md5' | 'md5-parts' | 'crc32' | 'crc32-parts' | 'crc32c' | 'crc64nvme' | 'crc64ecma' | 'other parts',
): FakeAdapter {
  const a = new FakeAdapter({ id: 'a', capabilities: { etagIsMd5: kind.startsWith('md5') || kind === 'other parts' } })
  const bytes = patterned(size)
  a.seed('src/big', bytes)
  const info: ObjectInfo = a.objects.get('src/big')!.info
  const split = (part: number) =>
    Array.from({ length: Math.ceil(size / part) }, (_, i) => bytes.subarray(i * part, (i + 1) * part))
  const md5 = (data: Uint8Array) => createHash('md5').update(data).digest()
  if (kind === 'md5-parts') info.etag = `${md5(Buffer.concat(split(partSize).map(md5))).toString('hex')}-6`
  // Six parts, too, but of another size.
  if (kind === 'other parts') info.etag = `${md5(Buffer.concat(split(950).map(md5))).toString('hex')}-6`
  if (kind === 'crc32') info.checksums = { crc32: crcBase64(crc32(bytes)) }
  if (kind === 'crc32c' || kind === 'crc64nvme' || kind === 'crc64ecma')
    info.checksums = { [kind]: checksumOf(kind, bytes).value }
  if (kind === 'crc32-parts') {
    const sums = split(partSize).map((part) => Buffer.from(crcBase64(crc32(part)), 'base64'))
    info.checksums = { crc32: `${crcBase64(crc32(Buffer.concat(sums)))}-6` }
  }
  return a
}

function run(a: FakeAdapter, b: FakeAdapter, more: Partial<SyncOptions> = {}) {
  const clock = new FakeClock()
  const sync = createSync({ store: memoryStore({ clock }), clock, random: { ...seededRandom(1), next: () => 0 } })
  return sync.run({ from: at(a, 'src'), to: at(b, 'dst'), partSize, ...more })
}

describe.each(['md5', 'md5-parts', 'crc32', 'crc32-parts', 'crc32c', 'crc64nvme', 'crc64ecma', 'other parts'] as const)(
  'a large object whose source tells: %s',
  (kind) => {
    it('one flipped byte in one ranged read is noticed, and the object is read again', async () => {
      const a = source(kind)
      const b = new FakeAdapter({ id: 'b' })
      let flips = 0
      a.options.corrupt = (_, bytes, start) => {
        if (start !== 2 * partSize || flips++ > 0) return bytes
        const bad = Buffer.from(bytes)
        bad.writeUInt8(bad.readUInt8(17) ^ 1, 17)
        return bad
      }
      expect(await run(a, b)).toMatchObject({ status: 'success', objects: { copied: 1, failed: 0 } })
      expect(flips).toBeGreaterThan(1)
      expect(Buffer.compare(b.objects.get('dst/big')!.bytes, patterned(size))).toBe(0)
      expect(b.uploads.size).toBe(0)
    })

    it('a byte that is flipped every time fails the object, and nothing wrong is left', async () => {
      const a = source(kind)
      const b = new FakeAdapter({ id: 'b' })
      let reads = 0
      a.options.corrupt = (_, bytes, start) => {
        const bad = Buffer.from(bytes)
        const at = 2 * partSize + 17 - start
        if (at >= 0 && at < bad.length) bad.writeUInt8(bad.readUInt8(at) ^ (1 + (reads++ % 200)), at)
        return bad
      }
      expect(await run(a, b)).toMatchObject({ status: 'failed', errors: [{ key: 'big', code: 'integrity' }] })
      expect(b.objects.size).toBe(0)
      expect(b.uploads.size).toBe(0)
    })

    it('a byte that is flipped in the same way every time is seen, but where nobody can know', async () => {
      const a = source(kind)
      const b = new FakeAdapter({ id: 'b' })
      a.options.corrupt = (_, bytes, start) => {
        const bad = Buffer.from(bytes)
        const at = 2 * partSize + 17 - start
        if (at >= 0 && at < bad.length) bad.writeUInt8(bad.readUInt8(at) ^ 1, at)
        return bad
      }
      const result = await run(a, b)
      // The source may have been uploaded in parts of other sizes: that is all that can be said.
      if (kind.endsWith('parts')) {
        expect(result).toMatchObject({ status: 'success', warnings: [expect.stringContaining('read twice')] })
        return
      }
      expect(result).toMatchObject({ status: 'failed', errors: [{ key: 'big', code: 'integrity' }] })
      expect([b.objects.size, b.uploads.size]).toEqual([0, 0])
    })

    it('an untouched object is sent once', async () => {
      const a = source(kind)
      const b = new FakeAdapter({ id: 'b' })
      const warnings = kind === 'other parts' ? [expect.stringContaining('read twice')] : []
      expect(await run(a, b)).toMatchObject({ status: 'success', warnings })
      expect(b.bytesIn).toBe(size)
    })
  },
)

it('one object in parts of another size takes nothing from the evidence of the others', async () => {
  const a = source('md5-parts')
  const { etag } = a.objects.get('src/big')!.info
  const odd = source('other parts').objects.get('src/big')!.info.etag
  const keys = ['a', ...Array.from({ length: 40 }, (_, i) => `b-${i + 10}`)]
  for (const key of keys) {
    a.seed(`src/${key}`, patterned(size))
    a.objects.get(`src/${key}`)!.info.etag = key === 'a' ? odd : etag
  }
  let flips = 0
  a.options.corrupt = (key, bytes, start) => {
    if (key !== 'src/b-49' || start !== 2 * partSize || flips++ > 0) return bytes
    const bad = Buffer.from(bytes)
    bad.writeUInt8(bad.readUInt8(17) ^ 1, 17)
    return bad
  }
  const b = new FakeAdapter({ id: 'b' })
  const result = await run(a, b, { concurrency: 1 })
  expect(result).toMatchObject({ status: 'success', objects: { copied: 42 }, warnings: [expect.any(String)] })
  for (const key of keys) expect(Buffer.compare(b.objects.get(`dst/${key}`)!.bytes, patterned(size)), key).toBe(0)
})

it('where what the source tells of parts is of no use at all, objects are not read twice for ever', async () => {
  const a = source('other parts')
  const { etag } = a.objects.get('src/big')!.info
  for (let i = 0; i < 5; i++) {
    a.seed(`src/more-${i}`, patterned(size))
    a.objects.get(`src/more-${i}`)!.info.etag = etag
  }
  const b = new FakeAdapter({ id: 'b' })
  let read = 0
  a.options.corrupt = (_, bytes) => {
    read += bytes.length
    return bytes
  }
  expect(await run(a, b, { concurrency: 1 })).toMatchObject({ status: 'success', objects: { copied: 6 } })
  expect(read).toBeLessThan(2 * 6 * size)
})

it('a small object is held against its MD5, and against the digest that the caller expects', async () => {
  const a = new FakeAdapter({ id: 'a' })
  const b = new FakeAdapter({ id: 'b' })
  a.seed('src/k', 'hello')
  a.options.corrupt = () => Buffer.from('hellO')
  expect(await run(a, b)).toMatchObject({ status: 'failed', errors: [{ key: 'k', code: 'integrity' }] })
  delete a.options.corrupt
  const digest = createHash('sha256').update('hello').digest('hex')
  const objects = (wanted: string) =>
    async function* () {
      yield [{ key: 'k', size: 5, digest: wanted }]
    }
  const wrong = await run(a, b, { objects: objects('0'.repeat(64)) })
  expect(wrong).toMatchObject({ status: 'failed', errors: [{ key: 'k', code: 'integrity' }] })
  expect(b.objects.size).toBe(0)
  expect(await run(a, b, { objects: objects(digest) })).toMatchObject({ status: 'success', objects: { copied: 1 } })
})

describe('an object that passes in one piece', () => {
  const bytes = Buffer.from(patterned(2 * partSize))

  /** A source that gives other bytes the first so many times. */
  function lying(times: number): FakeAdapter {
    const a = new FakeAdapter({ id: 'a' })
    a.seed('src/k', bytes)
    let reads = 0
    a.options.corrupt = (_, right) => (reads++ < times ? Buffer.alloc(right.length, 1) : right)
    return a
  }

  it('is held against its MD5 by the target, with a get and a put', async () => {
    const [a, b] = [lying(0), new FakeAdapter({ id: 'b' })]
    expect(await run(a, b)).toMatchObject({ status: 'success' })
    expect(b.objects.get('dst/k')?.bytes).toEqual(bytes)
    expect([a.calls.get('get'), a.calls.get('head'), b.calls.get('put'), b.calls.get('create')]).toEqual([
      1,
      undefined,
      1,
      undefined,
    ])
  })

  it('is read again when that differs, and nothing wrong appears', async () => {
    const [a, b] = [lying(1), new FakeAdapter({ id: 'b' })]
    b.seed('dst/k', 'before')
    const seen: number[] = []
    const { put } = b
    b.put = async (...call) => {
      seen.push(b.objects.get('dst/k')?.bytes.length ?? 0)
      return put.apply(b, call)
    }
    expect(await run(a, b)).toMatchObject({ status: 'success' })
    expect(seen).toEqual([6, 6])
    expect(b.objects.get('dst/k')?.bytes).toEqual(bytes)
    expect(await run(lying(99), b, { checksum: true })).toMatchObject({ errors: [{ key: 'k', code: 'integrity' }] })
    expect(b.objects.get('dst/k')?.bytes).toEqual(bytes)
  })

  it('is held against its CRC-32 where its etag is no MD5 but looks like one', async () => {
    const [a, b] = [lying(0), new FakeAdapter({ id: 'b' })]
    const { info } = a.objects.get('src/k')!
    info.etag = '0'.repeat(32)
    info.checksums = { crc32: crcBase64(crc32(bytes)) }
    expect(await run(a, b)).toMatchObject({ status: 'success' })
    expect(b.objects.get('dst/k')?.bytes).toEqual(bytes)
  })
})

it('what an unverified large object must be is checked before it appears', async () => {
  const a = new FakeAdapter({ id: 'a' })
  const b = new FakeAdapter({ id: 'b' })
  a.seed('src/big', patterned(size))
  const objects = async function* () {
    yield [{ key: 'big', size, digest: '0'.repeat(64) }]
  }
  expect(await run(a, b, { objects })).toMatchObject({ status: 'failed', errors: [{ code: 'integrity' }] })
  expect(b.calls.get('complete')).toBeUndefined()
  expect(b.uploads.size).toBe(0)
})

it('an object whose checksum is joined from parts is held against it also when another run began it', async () => {
  const a = source('crc64ecma')
  const b = new FakeAdapter({ id: 'b' })
  const clock = new FakeClock()
  const store = memoryStore({ clock })
  const random = { ...seededRandom(1), next: () => 0 }
  const options = { from: at(a, 'src'), to: at(b, 'dst'), partSize, concurrency: 1 }
  let parts = 0
  b.options.before = ({ operation }) => {
    if (operation === 'uploadPart' && ++parts > 2) throw new StowageError('access-denied', 'no')
  }
  // Of the first part, which went over.
  a.options.corrupt = (_, bytes, start) => {
    const bad = Buffer.from(bytes)
    if (start === 0 && parts < 3) bad.writeUInt8(bad.readUInt8(5) ^ 1, 5)
    return bad
  }
  const abort = b.multipart.abort
  b.multipart.abort = async () => {
    throw new StowageError('unavailable', 'Not now.')
  }
  await createSync({ store, clock, random }).run(options)
  expect([b.objects.size, b.uploads.size]).toEqual([0, 1])
  b.options.before = () => {}
  b.multipart.abort = abort
  const sent = b.bytesIn
  expect(await createSync({ store, clock, random }).run(options)).toMatchObject({ status: 'success' })
  expect(sent).toBe(2 * partSize)
  expect(Buffer.compare(b.objects.get('dst/big')!.bytes, patterned(size))).toBe(0)
  // The first try went on with what was there, and was refused.
  expect(b.bytesIn).toBeGreaterThan(sent + size - 2 * partSize)
})

it('an object whose parts come far out of order is read once more, and not sent', async () => {
  const big = 20 * partSize
  for (const isWrong of [false, true]) {
    const a = new FakeAdapter({ id: 'a' })
    a.seed('src/big', patterned(big))
    const b = new FakeAdapter({ id: 'b' })
    const { promise: others, resolve } = Promise.withResolvers<void>()
    let parts = 0
    a.options.before = async ({ operation }) => {
      if (operation === 'get' && (a.calls.get('get') ?? 0) === 1) await others
    }
    b.options.after = ({ operation }) => {
      if (operation === 'uploadPart' && ++parts === 12) resolve()
    }
    a.options.corrupt = (_, bytes, start) => {
      const bad = Buffer.from(bytes)
      const at = 2 * partSize + 17 - start
      if (isWrong && at >= 0 && at < bad.length) bad.writeUInt8(bad.readUInt8(at) ^ 1, at)
      return bad
    }
    const result = await run(a, b)
    expect(result.status).toBe(isWrong ? 'failed' : 'success')
    if (!isWrong) expect([b.bytesIn, a.bytesOut]).toEqual([big, 2 * big])
  }
})
