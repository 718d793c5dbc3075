import { notHttp } from './answer-head.ts'

/** A chunk's size with its extensions, or a trailer, is never as long as this, in bytes. */
const longestLine = 16 * 1024

/** Takes a body apart that comes in chunks (RFC 9112, 7.1). Trailers are read and left. */
export class ChunkedReader {
  /** Bytes that are still to come of the chunk. */
  #left = 0
  #state: 'size' | 'data' | 'data-end' | 'trailer' | 'over' = 'size'
  #line = ''

  /**
   * Takes what came, and gives what of it is the body's.
   * @returns how many of the bytes belong to this answer, which is over when that is told
   * @throws Error with a code that begins with `HPE_`
   */
  take(bytes: Buffer, onData: (chunk: Buffer) => void): { used: number; over: boolean } {
    let at = 0
    while (at < bytes.length && this.#state !== 'over') {
      if (this.#state === 'data') {
        const end = Math.min(at + this.#left, bytes.length)
        this.#left -= end - at
        if (this.#left === 0) this.#state = 'data-end'
        onData(bytes.subarray(at, end))
        at = end
        continue
      }
      const newline = bytes.indexOf(10, at)
      const end = newline === -1 ? bytes.length : newline + 1
      this.#line += bytes.toString('latin1', at, end)
      at = end
      if (this.#line.length > longestLine) throw notHttp('a chunk')
      if (newline !== -1) this.#endLine()
    }
    return { used: at, over: this.#state === 'over' }
  }

  #endLine(): void {
    const line = this.#line
    this.#line = ''
    if (!line.endsWith('\r\n')) throw notHttp('a chunk')
    if (this.#state === 'size') {
      const size = /^([0-9a-f]{1,12})[ \t]*(?:;|\r)/i.exec(line)?.[1]
      if (size === undefined) throw notHttp('the size of a chunk')
      this.#left = Number.parseInt(size, 16)
      this.#state = this.#left === 0 ? 'trailer' : 'data'
    } else if (this.#state === 'data-end') {
      if (line !== '\r\n') throw notHttp('the end of a chunk')
      this.#state = 'size'
    } else if (line === '\r\n') this.#state = 'over'
  }
}
