import { createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { type Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { throwIfAborted } from '@stowage/core'
import type { Io } from './output.ts'

/** Writes a stream on stdout, no faster than that is read. Whoever reads it may close it early, as `head` does: then no more is read. */
export async function print(stream: Readable, { stdout }: Io, signal: AbortSignal): Promise<void> {
  for await (const piece of stream as AsyncIterable<string | Uint8Array>) {
    throwIfAborted(signal)
    if (stdout.write(piece) === false && stdout instanceof Writable && !(await drained(stdout, signal))) return
  }
}

/** Waits until more can be written, or the work is to stop. Returns whether more can be written some time. */
function drained(out: Writable, signal: AbortSignal): Promise<boolean> {
  if (!out.writable) return Promise.resolve(false)
  return new Promise((resolve) => {
    const settle = (): void => {
      out.off('drain', settle).off('close', settle).off('error', settle)
      signal.removeEventListener('abort', settle)
      resolve(out.writable)
    }
    out.on('drain', settle).on('close', settle).on('error', settle)
    signal.addEventListener('abort', settle, { once: true })
  })
}

/** Writes a stream into a file, which appears when it is whole. @param mode who may read it */
export async function writeTo(stream: Readable, file: string, mode: number, signal: AbortSignal): Promise<void> {
  const temporary = `${file}.${process.pid}.part`
  try {
    await pipeline(stream, createWriteStream(temporary, { flags: 'wx', mode }), { signal })
    await rename(temporary, file)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}
