import { createHash, type Hash } from 'node:crypto'
import type { Readable } from 'node:stream'
import {
  BLOCK_SIZE,
  combineBlocks,
  type DamageKind,
  hasCode,
  type ManifestEntry,
  type StorageAdapter,
  StowageError,
  throwIfAborted,
  toStowageError,
} from '@stowage/core'
import { readSmall } from '../../datasets/objects.ts'

/** What a look at an object found. `unread` says nothing of its bytes: they could not be had. */
export type Verdict =
  | { state: 'good'; bytes: number }
  | {
      state: 'bad'
      kind: Exclude<DamageKind, 'replaced'>
      message: string
      bytes: number
      /** Bad blocks of a file of more than one. */
      blocks: number[]
      /** Of the object that is bad; absent where there is none. */
      etag?: string
    }
  | { state: 'unread'; error: StowageError; bytes: number }

export interface LookOptions {
  signal?: AbortSignal | undefined
  /** Where an earlier look ended: the first block to look at now, and the bad ones before it. @defaultValue the beginning */
  from?: { block: number; bad: readonly number[] }
  /** Asked before each block, with the bad ones so far; `false` ends the look, with {@link Stopped}. */
  onBlock?: (block: number, bytes: number, bad: readonly number[]) => Promise<boolean>
}

/** A look that ended before its object: there is no more to spend. */
export class Stopped extends Error {
  /** The first block that was not looked at. */
  readonly block: number
  /** Bad blocks before it. */
  readonly bad: readonly number[]
  /** The next look can begin here: what was read so far was judged. */
  readonly judged: boolean

  constructor(block: number, bad: readonly number[], judged: boolean) {
    super('there is no more to spend')
    this.block = block
    this.bad = bad
    this.judged = judged
  }
}

/** Reads a file and holds each of its blocks against its digest. It goes on after a bad one, so that all are named. */
export async function lookAtFile(
  adapter: StorageAdapter,
  key: string,
  file: Pick<ManifestEntry, 'size' | 'digest'>,
  blocks: Uint8Array | undefined,
  options: LookOptions = {},
): Promise<Verdict> {
  const expected = blocks ?? (file.size <= BLOCK_SIZE ? Buffer.from(file.digest, 'hex') : undefined)
  const reader = new BlockReader(adapter, key, file.size, expected, options)
  try {
    await reader.run()
  } catch (thrown) {
    if (thrown instanceof Stopped) throw thrown
    return failed(thrown, reader.bytes, options.signal)
  }
  const { bytes, etag, bad } = reader
  if (reader.wrongSize !== undefined) {
    const message = `It has ${reader.wrongSize} bytes, not ${file.size}.`
    return { state: 'bad', kind: 'size', message, bytes, blocks: [], ...etag }
  }
  const right = expected === undefined ? combineBlocks(Buffer.concat(reader.digests)) === file.digest : bad.length === 0
  if (right) return { state: 'good', bytes }
  const named = file.size > BLOCK_SIZE ? bad : []
  return { state: 'bad', kind: 'digest', message: describeBlocks(named), bytes, blocks: named, ...etag }
}

/** Reads blocks of a file again, each by a request of its own. The verdict is of these blocks alone. */
export async function lookAtBlocks(
  adapter: StorageAdapter,
  key: string,
  file: Pick<ManifestEntry, 'size'>,
  blocks: Uint8Array,
  wanted: readonly number[],
  signal?: AbortSignal,
): Promise<Verdict> {
  let read = 0
  let etag: { etag?: string } = {}
  const bad: number[] = []
  try {
    for (const block of wanted) {
      throwIfAborted(signal)
      const start = block * BLOCK_SIZE
      const length = Math.min(BLOCK_SIZE, file.size - start)
      const { body, info } = await adapter.get(key, { range: { start, length }, ...(signal ? { signal } : {}) })
      etag = { etag: info.etag }
      const hash = createHash('sha256')
      for await (const chunk of body as AsyncIterable<Uint8Array>) {
        hash.update(chunk)
        read += chunk.length
      }
      if (!hash.digest().equals(blockDigest(blocks, block))) bad.push(block)
    }
  } catch (thrown) {
    return failed(thrown, read, signal)
  }
  if (bad.length === 0) return { state: 'good', bytes: read }
  return { state: 'bad', kind: 'digest', message: describeBlocks(bad), bytes: read, blocks: bad, ...etag }
}

/** Reads a small object whole. @param check throws `integrity` for bytes that are not what they should be */
export async function lookAtSmall(
  adapter: StorageAdapter,
  key: string,
  check: (bytes: Uint8Array) => unknown,
  signal?: AbortSignal,
): Promise<Verdict> {
  let stored: Uint8Array
  let etag: string
  try {
    etag = (await adapter.head(key, signal ? { signal } : {})).etag
    stored = await readSmall(adapter, key, signal)
  } catch (thrown) {
    return failed(thrown, 0, signal)
  }
  try {
    await check(stored)
    return { state: 'good', bytes: stored.length }
  } catch (thrown) {
    const error = toStowageError(thrown, signal)
    if (error.code !== 'integrity') throw error
    return { state: 'bad', kind: 'digest', message: error.message, bytes: stored.length, blocks: [], etag }
  }
}

/** What a failed read says: that there is no object, or nothing. @throws StowageError `aborted` */
function failed(thrown: unknown, bytes: number, signal: AbortSignal | undefined): Verdict {
  const error = toStowageError(thrown, signal)
  if (error.code === 'aborted' || signal?.aborted) throw error
  if (!hasCode(error, 'not-found')) return { state: 'unread', error, bytes }
  return { state: 'bad', kind: 'missing', message: 'There is no such object.', bytes, blocks: [] }
}

function blockDigest(blocks: Uint8Array, block: number): Uint8Array {
  return blocks.subarray(block * 32, block * 32 + 32)
}

function describeBlocks(blocks: readonly number[]): string {
  if (blocks.length === 0) return 'Its bytes do not have the digest they should have.'
  const shown = blocks.slice(0, 5).join(', ')
  return `Its bytes are wrong in ${blocks.length === 1 ? 'block' : 'blocks'} ${shown}${blocks.length > 5 ? ', …' : ''} (of 8 MiB, from 0).`
}

/** Reads an object from a block on and judges every block, without holding one. */
class BlockReader {
  /** Digests of the blocks, where there is no list to judge them by. */
  readonly digests: Buffer[] = []
  readonly bad: number[]
  bytes = 0
  wrongSize: number | undefined
  etag: { etag?: string } = {}
  readonly #adapter: StorageAdapter
  readonly #key: string
  readonly #size: number
  readonly #expected: Uint8Array | undefined
  readonly #options: LookOptions
  #block: number
  #hash: Hash = createHash('sha256')
  #inBlock = 0

  constructor(
    adapter: StorageAdapter,
    key: string,
    size: number,
    expected: Uint8Array | undefined,
    options: LookOptions,
  ) {
    const from = expected === undefined ? undefined : options.from
    this.#adapter = adapter
    this.#key = key
    this.#size = size
    this.#expected = expected
    this.#options = options
    this.#block = from?.block ?? 0
    this.bad = [...(from?.bad ?? [])]
  }

  async run(): Promise<void> {
    await this.#ask()
    const start = this.#block * BLOCK_SIZE
    const body = await this.#open(start)
    if (body === undefined) return
    try {
      for await (const chunk of body) {
        let rest = chunk
        while (rest.length > 0) {
          if (this.#inBlock === BLOCK_SIZE) {
            this.#judge()
            await this.#ask()
          }
          const part = rest.subarray(0, BLOCK_SIZE - this.#inBlock)
          this.#hash.update(part)
          this.#inBlock += part.length
          this.bytes += part.length
          rest = rest.subarray(part.length)
        }
      }
    } finally {
      body.destroy()
    }
    if (this.bytes !== this.#size - start) throw new StowageError('integrity', 'The object ended before its length.')
    if (this.#inBlock > 0 || this.#size === 0) this.#judge()
  }

  async #open(start: number): Promise<Readable | undefined> {
    const { signal } = this.#options
    const call = signal === undefined ? {} : { signal }
    const range = start === 0 ? {} : { range: { start, length: this.#size - start } }
    const { body, info } = await this.#adapter.get(this.#key, { ...range, ...call }).catch(async (error) => {
      // A range that begins beyond the end: it became shorter.
      if (start === 0 || !hasCode(error, 'invalid-request')) throw error
      return this.#adapter.get(this.#key, call)
    })
    this.etag = { etag: info.etag }
    if (info.size === this.#size) return body
    this.wrongSize = info.size
    body.destroy()
    return undefined
  }

  #judge(): void {
    const digest = this.#hash.digest()
    if (this.#expected === undefined) this.digests.push(digest)
    else if (!digest.equals(blockDigest(this.#expected, this.#block))) this.bad.push(this.#block)
    this.#block++
    this.#hash = createHash('sha256')
    this.#inBlock = 0
  }

  async #ask(): Promise<void> {
    const { onBlock } = this.#options
    const length = Math.min(BLOCK_SIZE, this.#size - this.#block * BLOCK_SIZE)
    if (onBlock === undefined || (await onBlock(this.#block, length, this.bad))) return
    throw new Stopped(this.#block, this.bad, this.#expected !== undefined)
  }
}
