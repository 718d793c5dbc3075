import { type Form, findSecret, maskSecrets, StreamSearch } from './search.ts'

type Write = typeof process.stdout.write

/**
 * Searches what this process prints from now on, by whatever reporter, and masks it there.
 * @param onSecret told of the stream
 */
export function watchTerminal(onSecret: (stream: 'stdout' | 'stderr', form: Form) => void): void {
  for (const name of ['stdout', 'stderr'] as const) {
    const stream = process[name]
    const search = new StreamSearch()
    const write = stream.write.bind(stream) as (chunk: string | Uint8Array, ...rest: unknown[]) => boolean
    stream.write = ((chunk: string | Uint8Array, ...rest: unknown[]) => {
      const form = search.next(chunk)
      if (form === undefined) return write(chunk, ...rest)
      onSecret(name, form)
      const text = typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString()
      return write(findSecret(text) === undefined ? chunk : maskSecrets(text), ...rest)
    }) as Write
  }
}
