import { run } from './main.ts'

/** How a command ended that ran in this process. */
export interface Ran {
  code: number
  stdout: string
  /** What is on stdout, where that is no text. */
  bytes: Buffer
  stderr: string
  /** The document on stdout, when that is one. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into documents of many shapes
  json: any
}

/** Runs `stowage ARGS` in this process, in a folder. With `--json`, what is printed must be one document, or nothing. */
export async function runIn(
  cwd: string,
  args: readonly string[],
  options: { signal?: AbortSignal; env?: Record<string, string>; stdin?: string } = {},
): Promise<Ran> {
  const printed: Buffer[] = []
  let stderr = ''
  const code = await run([...args], {
    stdout: { write: (text: string | Uint8Array) => printed.push(Buffer.from(text as string)) },
    stderr: { write: (text: string) => (stderr += text) },
    cwd,
    env: options.env ?? {},
    signal: options.signal ?? new AbortController().signal,
    readStdin: async () => options.stdin ?? '',
  })
  const bytes = Buffer.concat(printed)
  const stdout = bytes.toString()
  return {
    code,
    bytes,
    stdout,
    stderr,
    json: args.includes('--json') && stdout !== '' ? JSON.parse(stdout) : undefined,
  }
}
