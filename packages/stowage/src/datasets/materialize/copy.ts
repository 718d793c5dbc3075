import { constants } from 'node:fs'
import { DigestBuilder, errnoOf, type FileSystem, type ManifestEntry, throwIfAborted } from '@stowage/core'
import { unless } from './file-errors.ts'

const PIECE = 1024 * 1024

/** Copies files out of the cache: by sharing their blocks where the disk can, else their bytes, which are checked on the way. */
export class Copier {
  readonly #fs: FileSystem
  #shares = true

  constructor(fs: FileSystem) {
    this.#fs = fs
  }

  /** Makes `to`, which must not exist. Returns whether the bytes were right; fails with `ENOENT` when `from` is there no more. */
  async copy(entry: ManifestEntry, from: string, to: string, signal: AbortSignal): Promise<boolean> {
    return (await this.#clone(from, to)) || this.#bytes(entry, from, to, signal)
  }

  async #clone(from: string, to: string): Promise<boolean> {
    if (!this.#shares) return false
    try {
      await this.#fs.copyFile(from, to, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL)
      return true
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') throw error
      this.#shares = false
      await unless(this.#fs.unlink(to), 'ENOENT')
      return false
    }
  }

  async #bytes(entry: ManifestEntry, from: string, to: string, signal: AbortSignal): Promise<boolean> {
    const source = await this.#fs.open(from, 'r')
    try {
      const target = await this.#fs.open(to, 'wx')
      try {
        const builder = new DigestBuilder()
        const buffer = Buffer.allocUnsafe(Math.min(PIECE, entry.size + 1))
        for (;;) {
          throwIfAborted(signal)
          const at = builder.size
          const { bytesRead } = await source.read(buffer, 0, buffer.length, at)
          if (bytesRead === 0) break
          builder.update(buffer.subarray(0, bytesRead))
          for (let done = 0; done < bytesRead; ) {
            done += (await target.write(buffer, done, bytesRead - done, at + done)).bytesWritten
          }
        }
        return builder.size === entry.size && builder.finish().digest === entry.digest
      } finally {
        await target.close()
      }
    } finally {
      await source.close()
    }
  }
}
