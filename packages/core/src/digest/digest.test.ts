import { createHash } from 'node:crypto'
import { runs, testSeed } from '@stowage/test-support'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { expectCode, seededRandom } from '../testing/index.ts'
import { BLOCK_SIZE } from './block-size.ts'
import { blockDigests, combineBlocks, DigestBuilder, digestOf, digestStream } from './digest.ts'

function sha256(...parts: Uint8Array[]): Buffer {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}

/** Bytes that differ from block to block. */
function sample(size: number): Uint8Array {
  const bytes = Buffer.alloc(size)
  for (let at = 0; at < size; at += 65_536) bytes.fill((at / 65_536) % 251, at, Math.min(size, at + 65_536))
  return bytes
}

function inChunks(
  bytes: Uint8Array,
  sizes: readonly number[],
  builder = new DigestBuilder(),
): ReturnType<DigestBuilder['finish']> {
  let at = 0
  for (const size of sizes) {
    builder.update(bytes.subarray(at, at + size))
    at += size
  }
  builder.update(bytes.subarray(at))
  return builder.finish()
}

test('up to 8 MiB it is the plain SHA-256', () => {
  for (const size of [0, 1, 1000, BLOCK_SIZE - 1, BLOCK_SIZE]) {
    const bytes = sample(size)
    const plain = sha256(bytes)
    const found = digestOf(bytes)
    expect(found).toMatchObject({ digest: plain.toString('hex'), size })
    expect(Buffer.from(found.blocks).equals(plain)).toBe(true)
  }
  expect(digestOf(new Uint8Array()).digest).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
})

test('above, it is the SHA-256 of the block digests, which with parts of 8 MiB is S3’s composite', () => {
  for (const size of [BLOCK_SIZE + 1, 2 * BLOCK_SIZE, 2 * BLOCK_SIZE + 5]) {
    const bytes = sample(size)
    const parts = [0, 1, 2]
      .map((i) => bytes.subarray(i * BLOCK_SIZE, (i + 1) * BLOCK_SIZE))
      .filter(({ length }) => length > 0)
    const digests = parts.map((part) => sha256(part))
    const composite = sha256(...digests)
    const found = digestOf(bytes)
    expect(found).toMatchObject({ digest: composite.toString('hex'), size })
    expect(Buffer.from(found.blocks).equals(Buffer.concat(digests))).toBe(true)
    // S3 writes it in base 64, followed by the number of parts.
    expect(`${Buffer.from(found.digest, 'hex').toString('base64')}-${parts.length}`).toBe(
      `${composite.toString('base64')}-${digests.length}`,
    )
  }
})

describe('DigestBuilder', () => {
  test('small files: whatever the chunks, the digest is the same', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.array(fc.nat(80), { maxLength: 10 }), (bytes, sizes) => {
        expect(inChunks(bytes, sizes)).toEqual({ ...digestOf(bytes), blocks: expect.anything() })
        expect(inChunks(bytes, sizes).digest).toBe(sha256(bytes).toString('hex'))
      }),
      { numRuns: runs(200, 5000), seed: testSeed() },
    )
  })

  test('large files: whatever the chunks, the digest and the blocks are the same', () => {
    const bytes = sample(2 * BLOCK_SIZE + 70_000)
    const expected = digestOf(bytes)
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: BLOCK_SIZE + 100_000 }), { minLength: 1, maxLength: 4 }),
        (sizes) => {
          const found = inChunks(bytes, sizes)
          expect(found.digest).toBe(expected.digest)
          expect(found.size).toBe(expected.size)
          expect(Buffer.compare(found.blocks, expected.blocks)).toBe(0)
        },
      ),
      {
        numRuns: runs(6, 60),
        seed: testSeed(),
        examples: [[[BLOCK_SIZE]], [[BLOCK_SIZE - 1, 1, 1]], [[BLOCK_SIZE + 1]]],
      },
    )
  })

  test('goes on from finished blocks', () => {
    const bytes = sample(3 * BLOCK_SIZE + 9)
    const expected = digestOf(bytes)
    for (let finished = 0; finished <= 3; finished++) {
      const builder = new DigestBuilder(expected.blocks.slice(0, finished * 32))
      expect(builder.size).toBe(finished * BLOCK_SIZE)
      builder.update(bytes.subarray(finished * BLOCK_SIZE))
      expect(builder.size).toBe(bytes.length)
      const found = builder.finish()
      expect(found.digest).toBe(expected.digest)
      expect(Buffer.compare(found.blocks, expected.blocks)).toBe(0)
    }
  })

  test('goes on from all of the blocks of a file that ends with one', () => {
    for (const blocks of [1, 2]) {
      const expected = digestOf(sample(blocks * BLOCK_SIZE))
      expect(new DigestBuilder(expected.blocks).finish()).toMatchObject({
        digest: expected.digest,
        size: blocks * BLOCK_SIZE,
      })
    }
  })

  test('keeps its own copy of the finished blocks', () => {
    const expected = digestOf(sample(2 * BLOCK_SIZE))
    const given = Buffer.from(expected.blocks)
    const builder = new DigestBuilder(given)
    given.fill(0)
    expect(builder.finish().digest).toBe(expected.digest)
  })

  test('does not hold on to chunks that are reused', () => {
    const buffer = Buffer.from('first')
    const builder = new DigestBuilder()
    builder.update(buffer)
    buffer.write('other')
    builder.update(Buffer.from('!'))
    expect(builder.finish().digest).toBe(sha256(Buffer.from('first!')).toString('hex'))
  })

  test('refuses blocks that are cut off', async () => {
    await expectCode((async () => new DigestBuilder(new Uint8Array(33)))(), 'invalid-request')
    await expectCode((async () => combineBlocks(new Uint8Array(0)))(), 'invalid-request')
    await expectCode((async () => combineBlocks(new Uint8Array(31)))(), 'invalid-request')
  })
})

test('block digests of a part of a file are a part of its block digests', () => {
  const bytes = sample(2 * BLOCK_SIZE + 3)
  const whole = blockDigests(bytes)
  const tail = blockDigests(bytes.subarray(BLOCK_SIZE))
  expect(Buffer.compare(whole.subarray(32), tail)).toBe(0)
})

test('a stream has the digest of its bytes', async () => {
  const random = seededRandom(1)
  const bytes = Uint8Array.from({ length: 5000 }, () => Math.floor(random.next() * 256))
  async function* stream(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += 777) yield bytes.subarray(at, at + 777)
  }
  expect((await digestStream(stream())).digest).toBe(sha256(bytes).toString('hex'))
})
