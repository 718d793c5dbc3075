/** Searches what child processes print, whoever starts them and whoever reads it. */
import type { ChildProcess } from 'node:child_process'
import { subscribe } from 'node:diagnostics_channel'
import type { Readable } from 'node:stream'
import { noteSecret } from './found.ts'
import { StreamSearch } from './search.ts'

/** Looks at every child process that this one starts from now on. @param place who starts it, asked at that moment */
export function watchChildren(place: () => string): void {
  // https://nodejs.org/api/diagnostics_channel.html#child-process
  subscribe('child_process', (message) => {
    const { process: child } = message as { process: ChildProcess }
    const starter = place()
    // Its streams are made by then, and nothing of them was read.
    child.once('spawn', () => {
      watch(child.stdout, `${starter}: stdout of a child process`)
      watch(child.stderr, `${starter}: stderr of a child process`)
    })
  })
}

/** Looks at what arrives, without taking part in reading it: a reader of its own would take bytes from one that comes later. */
function watch(stream: Readable | null, place: string): void {
  if (stream === null) return
  const search = new StreamSearch()
  const push = stream.push.bind(stream)
  stream.push = (chunk: unknown, encoding?: BufferEncoding) => {
    if (typeof chunk === 'string' || chunk instanceof Uint8Array) {
      const form = search.next(chunk)
      if (form !== undefined) noteSecret(place, form)
    }
    return push(chunk, encoding)
  }
}
