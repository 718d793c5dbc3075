import { BlockReader } from './block-reader.ts'
import type { VerifiedReadOptions } from './options.ts'
import { ReadAhead } from './read-ahead.ts'

/**
 * Reads a file from the best candidate and goes on at the same byte from the next one when it fails. Bytes are given out in
 * pieces, and only after the digest of their block (8 MiB) was checked, so a damaged replica is never seen: its block is fetched elsewhere. While a block is
 * used, the next one is fetched.
 *
 * @throws StowageError the last failure when every candidate failed, `integrity` when no candidate has the right bytes; it names each of them
 */
export async function* readVerified(options: VerifiedReadOptions): AsyncGenerator<Uint8Array> {
  const reader = new BlockReader(options)
  const ahead = new ReadAhead(reader, options)
  try {
    for (let block = reader.first; block <= reader.last; block++) {
      const pieces = await ahead.take(block)
      // What was given out is held no longer than its reader holds it.
      for (let piece = pieces.shift(); piece !== undefined; piece = pieces.shift()) yield piece
    }
    // An empty file has no block, and a digest all the same.
    if (options.size === 0) await reader.read(0)
    reader.finish()
  } finally {
    ahead.close()
    reader.close()
  }
}
