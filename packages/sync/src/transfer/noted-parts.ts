import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { combineBlocks, digestStream } from '@stowage/core'
import type { SentPart, UploadNote } from '../state/index.ts'

/** The parts that arrived, by number. */
export function partsInOrder(note: UploadNote): SentPart[] {
  return [...note.parts.values()].sort((a, b) => a.partNumber - b.partNumber)
}

/** The digest of the whole from its parts', when every part began at a block's start and came through here. */
export function digestOfParts(note: UploadNote): string | undefined {
  const blocks = blocksOf(note)
  return blocks === undefined ? undefined : combineBlocks(blocks)
}

/** The digests of all blocks of the object, if they are known. */
export function blocksOf(note: UploadNote): Uint8Array | undefined {
  const blocks: Uint8Array[] = []
  for (let number = 1; number <= note.partCount; number++) {
    const part = note.parts.get(number)
    if (part?.blocks === undefined) return undefined
    blocks.push(part.blocks)
  }
  return Buffer.concat(blocks)
}

/** Reads an object and compares it with what was noted of the parts it should be made of. */
export async function holdsParts(
  body: AsyncIterable<Uint8Array>,
  note: UploadNote,
  digest: string | undefined,
): Promise<boolean> {
  if (digest !== undefined) return (await digestStream(body)).digest === digest
  const { partSize, source } = note.record
  let at = 0
  let crc = 0
  let md5 = createHash('md5')
  for await (const chunk of body) {
    for (let rest = chunk; rest.length > 0; ) {
      const number = Math.floor(at / partSize) + 1
      const end = Math.min(number * partSize, source.size)
      const piece = rest.subarray(0, end - at)
      if (piece.length === 0) return false
      crc = crc32(piece, crc)
      if (note.parts.get(number)?.crc32 === undefined) md5.update(piece)
      at += piece.length
      rest = rest.subarray(piece.length)
      if (at < end) continue
      const part = note.parts.get(number)
      if (part?.crc32 === undefined ? part?.md5 !== md5.digest('hex') : part.crc32 !== crc) return false
      crc = 0
      md5 = createHash('md5')
    }
  }
  return at === source.size
}
