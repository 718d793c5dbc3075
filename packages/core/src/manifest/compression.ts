import { promisify } from 'node:util'
import { gunzip, gunzipSync, gzip, gzipSync } from 'node:zlib'

/** Up to so many bytes are worked on where they are: that takes less time than the way to another thread and back. */
const AT_ONCE = 8 * 1024

const compressElsewhere = promisify(gzip)
const decompressElsewhere = promisify(gunzip)

export async function compress(bytes: Uint8Array): Promise<Uint8Array> {
  return bytes.length > AT_ONCE ? await compressElsewhere(bytes) : gzipSync(bytes)
}

/** @param maxOutputLength fails when more than this comes out, in bytes */
export async function decompress(bytes: Uint8Array, maxOutputLength: number): Promise<Uint8Array> {
  const options = { maxOutputLength }
  return bytes.length > AT_ONCE ? await decompressElsewhere(bytes, options) : gunzipSync(bytes, options)
}
