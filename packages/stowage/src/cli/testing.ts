import { run } from './main.ts'

/** How a command ended that ran in this process. */
export interface Ran {
  code: number
  stdout: string
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
  const printed = { stdout: '', stderr: '' }
  const code = await run([...args], {
    stdout: { write: (text: string) => (printed.stdout += text) },
    stderr: { write: (text: string) => (printed.stderr += text) },
    cwd,
    env: options.env ?? {},
    signal: options.signal ?? new AbortController().signal,
    readStdin: async () => options.stdin ?? '',
  })
  return {
    code,
    ...printed,
    json: args.includes('--json') && printed.stdout !== '' ? JSON.parse(printed.stdout) : undefined,
  }
}
