/**
 * The main process of a run owns the servers that all workers share, and starts each when the first worker asks for it.
 * A worker asks over a socket in the run's folder: it writes a name, and reads an answer of JSON.
 */
import { once } from 'node:events'
import { createConnection, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'

type Answer = { readonly value: unknown } | { readonly error: string }

function socketPath(folder: string): string {
  return join(folder, 'run.sock')
}

/** Answers the workers: `providers[name]` is called once, at the first request for `name`. */
export async function serveWorkers(
  folder: string,
  providers: Readonly<Record<string, () => Promise<unknown>>>,
): Promise<{ close(): void }> {
  const answers = new Map<string, Promise<Answer>>()

  function answer(name: string): Promise<Answer> {
    let found = answers.get(name)
    if (found === undefined) {
      const provide = providers[name] ?? (() => Promise.reject(new Error(`nothing here is called ${name}`)))
      found = provide().then(
        (value) => ({ value }),
        (error: Error) => ({ error: error.message }),
      )
      answers.set(name, found)
    }
    return found
  }

  const open = new Set<Socket>()
  const server = createServer((socket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket)).on('error', () => {})
    socket.once('data', async (name: Buffer) => socket.end(JSON.stringify(await answer(name.toString()))))
  })
  server.unref()
  server.listen(socketPath(folder))
  await once(server, 'listening')
  return {
    close() {
      server.close()
      for (const socket of open) socket.destroy()
    },
  }
}

/** Asks the main process for `name`. `undefined` when there is no run around this process. */
export async function askMain(name: string): Promise<Answer | undefined> {
  const folder = process.env['STOWAGE_TEST_RUN_DIR']
  if (folder === undefined) return undefined
  const socket = createConnection(socketPath(folder))
  try {
    await once(socket, 'connect')
  } catch {
    return undefined
  }
  socket.write(name)
  return JSON.parse(await text(socket)) as Answer
}
