import { BLOCK_SIZE, combineBlocks, DigestBuilder, type FileDigest } from '@stowage/core'

/** What the bytes of a file must turn out to be. */
export interface Expected {
  size: number
  digest: string
  blocks?: Uint8Array | undefined
}

/**
 * Reads a file once and holds it against what was declared: by block where the blocks' digests are known, else at the end. Returns what is wrong
 * as text. A stream that fails is no verdict: it throws.
 */
export async function identify(body: AsyncIterable<Uint8Array>, expected: Expected): Promise<FileDigest | string> {
  const done: Uint8Array[] = []
  let block = new DigestBuilder()
  let size = 0
  /** Ends a block. Returns whether it is a wrong one. */
  const isWrong = (): boolean => {
    const { blocks } = block.finish()
    const right = expected.blocks?.subarray(done.length * 32, done.length * 32 + 32)
    done.push(blocks)
    block = new DigestBuilder()
    return right !== undefined && Buffer.compare(right, blocks) !== 0
  }
  for await (const chunk of body) {
    size += chunk.length
    if (size > expected.size) return `has more than ${expected.size} bytes`
    for (let rest = chunk; rest.length > 0; ) {
      if (block.size === BLOCK_SIZE && isWrong()) return wrongBlock(done.length)
      const part = rest.subarray(0, BLOCK_SIZE - block.size)
      block.update(part)
      rest = rest.subarray(part.length)
    }
  }
  if (size < expected.size) return `has ${size} bytes instead of ${expected.size}`
  if ((block.size > 0 || size === 0) && isWrong()) return wrongBlock(done.length)
  const blocks = Buffer.concat(done)
  const digest = combineBlocks(blocks)
  if (digest !== expected.digest) return `has the digest ${digest} instead of ${expected.digest}`
  return { digest, size, blocks }
}

function wrongBlock(count: number): string {
  return `has other bytes than declared from ${(count - 1) * BLOCK_SIZE} on: block ${count} has another digest`
}
