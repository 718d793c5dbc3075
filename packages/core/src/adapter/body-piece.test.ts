import { Readable } from 'node:stream'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BodyPiece } from './body-piece.ts'

/** A body of numbered bytes in chunks of these sizes. */
function bodyOf(sizes: readonly number[]): { body: Readable; bytes: Buffer } {
  const bytes = Buffer.from(Array.from({ length: sizes.reduce((sum, size) => sum + size, 0) }, (_, i) => i % 251))
  let at = 0
  const chunks = sizes.map((size) => {
    at += size
    return bytes.subarray(at - size, at)
  })
  return { body: Readable.from(chunks, { objectMode: false }), bytes }
}

const read = async (piece: BodyPiece): Promise<Buffer> => Buffer.concat(await piece.toArray())

describe('pieces of a body', () => {
  it('are the body, however it comes and is divided', async () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1, maxLength: 6 })
    await fc.assert(
      fc.asyncProperty(sizes, fc.integer({ min: 20, max: 1000 }), async (chunks, size) => {
        const { body, bytes } = bodyOf(chunks)
        const pieces: Buffer[] = []
        for (let at = 0; at < bytes.length; at += size) {
          pieces.push(await read(new BodyPiece(body, Math.min(size, bytes.length - at))))
        }
        expect(Buffer.concat(pieces).equals(bytes)).toBe(true)
      }),
      { numRuns: 60 },
    )
  })

  it('fail when the body ends too early, or fails, also between two of them', async () => {
    const { body } = bodyOf([10])
    await read(new BodyPiece(body, 6))
    await expect(read(new BodyPiece(body, 6))).rejects.toMatchObject({ code: 'integrity' })
    const broken = bodyOf([10, 10]).body
    await read(new BodyPiece(broken, 4))
    broken.on('error', () => {})
    broken.destroy(new Error('broken'))
    await expect(read(new BodyPiece(broken, 4))).rejects.toThrow('broken')
  })

  it('give the body up when they are given up, and not when they were read', async () => {
    const { body } = bodyOf([10, 10])
    await read(new BodyPiece(body, 5))
    expect(body.destroyed).toBe(false)
    const second = new BodyPiece(body, 10)
    second.destroy()
    expect(body.destroyed).toBe(true)
  })

  it('give memory back once, with the piece that has the end of a chunk', async () => {
    const { body } = bodyOf([10])
    const returned: Uint8Array[] = []
    Object.assign(body, { takeBack: (chunk: Uint8Array) => returned.push(chunk) })
    for (const size of [4, 6]) {
      const piece = new BodyPiece(body, size)
      for await (const chunk of piece) piece.takeBack(chunk)
    }
    expect(returned.map((chunk) => chunk.length)).toEqual([6])
  })
})
