import { type AnswerHead, notHttp, parseHead } from './answer-head.ts'
import { ChunkedReader } from './chunked.ts'
import type { ReceiveBuffer } from './receive-buffer.ts'
import type { AnswerHandler } from './request.ts'

/** A head is never as long as this, in bytes. */
const longestHead = 64 * 1024
const start = 'HTTP/1.'
const emptyLine = '\r\n\r\n'
const nothing = Buffer.alloc(0)

/** Reads one answer from the bytes of a connection and tells its handler. */
export class Receiving {
  isDone = false
  head: AnswerHead | undefined
  readonly #method: string
  readonly #handler: AnswerHandler
  readonly #buffer: ReceiveBuffer
  /** The beginning of a head. */
  #begun: Buffer = nothing
  #left = 0
  #chunks: ChunkedReader | undefined
  /** The handler wants no more. */
  #isOver = false
  readonly #onData = (chunk: Buffer): void => {
    if (!this.#isOver) this.#handler.onData(this.#buffer.give(chunk))
  }

  constructor(method: string, handler: AnswerHandler, buffer: ReceiveBuffer) {
    this.#method = method
    this.#handler = handler
    this.#buffer = buffer
  }

  /** Bytes that are known to come, or likely. */
  get expected(): number {
    if (this.head === undefined || this.isDone) return 0
    return typeof this.head.length === 'number' ? this.#left : Number.POSITIVE_INFINITY
  }

  /**
   * Takes what came.
   * @returns how many of the bytes are this answer's
   * @throws Error with a code that begins with `HPE_`
   */
  take(bytes: Buffer): number {
    let used = 0
    while (this.head === undefined && used < bytes.length) used += this.#takeHead(bytes.subarray(used))
    if (this.head === undefined || this.isDone) return used
    return used + this.#takeBody(used === 0 ? bytes : bytes.subarray(used))
  }

  /** The connection has ended. @returns whether the answer is whole */
  end(): boolean {
    if (this.head?.length === 'close') this.isDone = true
    return this.isDone
  }

  stop(): void {
    this.#isOver = true
  }

  #takeHead(bytes: Buffer): number {
    const before = this.#begun.length
    const all = before === 0 ? bytes : Buffer.concat([this.#begun, bytes])
    if (!all.toString('latin1', 0, start.length).startsWith(start.slice(0, all.length)))
      throw notHttp('the status line')
    const end = all.indexOf(emptyLine)
    if (end === -1 || end > longestHead) {
      if (all.length > longestHead) throw notHttp('the headers are too long')
      this.#begun = before === 0 ? Buffer.from(all) : all
      return bytes.length
    }
    this.#begun = nothing
    const head = parseHead(all.toString('utf8', 0, end), this.#method)
    const used = end + emptyLine.length - before
    if (head.status === 101) throw notHttp('another protocol')
    // What a server says before it answers, such as 100 and 103.
    if (head.status < 200) return used
    this.head = head
    if (head.length === 'chunked') this.#chunks = new ChunkedReader()
    else if (head.length === 0) this.isDone = true
    else if (head.length !== 'close') this.#left = head.length
    this.#handler.onHead(head.status, head.headers)
    return used
  }

  #takeBody(bytes: Buffer): number {
    if (bytes.length === 0) return 0
    if (this.#chunks !== undefined) {
      const { used, over } = this.#chunks.take(bytes, this.#onData)
      this.isDone = over
      return used
    }
    if (this.head?.length === 'close') {
      this.#onData(bytes)
      return bytes.length
    }
    const used = Math.min(this.#left, bytes.length)
    this.#left -= used
    this.isDone = this.#left === 0
    this.#onData(used === bytes.length ? bytes : bytes.subarray(0, used))
    return used
  }
}
