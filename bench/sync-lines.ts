import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { TestServer } from '@stowage/test-support'

/** Lines to servers that count requests; see `sync-line.ts`. */
export interface Lines extends AsyncDisposable {
  /** The servers, as they are reached over the lines. */
  readonly servers: readonly TestServer[]
  /** Requests of all lines since it was asked last. */
  takeCount(): Promise<number>
}

/** @param delayMs what each way takes more */
export async function startLines(servers: readonly TestServer[], delayMs: number): Promise<Lines> {
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, 'sync-line.ts'), ...servers.map(({ endpoint }) => `${endpoint}=${delayMs}`)],
    { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] },
  )
  const [line] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer]
  const ports = String(line).trim().split(' ')
  return {
    servers: servers.map((server, i) => ({ ...server, endpoint: `http://127.0.0.1:${ports[i]}` })),
    async takeCount() {
      child.send('count')
      const [counts] = (await once(child, 'message')) as [number[]]
      return counts.reduce((sum, count) => sum + count, 0)
    },
    async [Symbol.asyncDispose]() {
      const ended = once(child, 'exit')
      child.disconnect()
      await ended
    },
  }
}
