/**
 * Lines to servers, in a process of its own: each counts the requests that pass and holds everything back for some milliseconds each way, as
 * distance does: what was sent later is held back beside what was sent before, not after it. Takes `URL=MILLISECONDS` for each line, prints
 * their ports, and answers every message with the requests of each line since the last.
 */
import { once } from 'node:events'
import { type AddressInfo, createConnection, createServer, type Socket } from 'node:net'

/** Bytes that are under way in one direction of a connection, at most: what the windows of a good line hold. */
const windowBytes = 8 * 1024 * 1024

/** How a request begins. None of ours or of the peers is sent before the answer to the one before, so it begins a piece. */
const requestStart = /^(?:GET|HEAD|PUT|POST|DELETE) \//

interface Piece {
  at: number
  bytes: Buffer
}

/** Carries one direction of a connection. */
function carry(from: Socket, to: Socket, delayMs: number, onPiece: (bytes: Buffer) => void): void {
  const waiting: Piece[] = []
  let held = 0
  let isEnded = false
  let isWaiting = false

  function pass(): void {
    isWaiting = false
    const now = performance.now()
    for (let piece = waiting[0]; piece !== undefined && piece.at <= now; piece = waiting[0]) {
      waiting.shift()
      held -= piece.bytes.length
      to.write(piece.bytes)
    }
    if (to.writableNeedDrain) from.pause()
    else if (held < windowBytes) from.resume()
    const next = waiting[0]
    if (next !== undefined) wait(next.at - now)
    else if (isEnded) to.end()
  }

  function wait(ms: number): void {
    if (isWaiting) return
    isWaiting = true
    setTimeout(pass, ms)
  }

  from.on('data', (bytes: Buffer) => {
    onPiece(bytes)
    if (delayMs === 0) {
      if (!to.write(bytes)) from.pause()
      return
    }
    waiting.push({ at: performance.now() + delayMs, bytes })
    held += bytes.length
    if (held >= windowBytes) from.pause()
    wait(delayMs)
  })
  to.on('drain', () => {
    if (held < windowBytes) from.resume()
  })
  from.on('end', () => {
    isEnded = true
    if (waiting.length === 0) to.end()
  })
  from.on('error', () => to.destroy())
  from.on('close', () => {
    if (!isEnded) to.destroy()
  })
}

const counts: number[] = []
const ports: number[] = []
for (const [line, word] of process.argv.slice(2).entries()) {
  const [url = '', delay = '0'] = word.split('=')
  const { hostname, port } = new URL(url)
  counts[line] = 0
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const upstream = createConnection({ host: hostname, port: Number(port), allowHalfOpen: true, noDelay: true })
    carry(client, upstream, Number(delay), (bytes) => {
      if (requestStart.test(bytes.toString('latin1', 0, 8))) counts[line] = (counts[line] ?? 0) + 1
    })
    carry(upstream, client, Number(delay), () => {})
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  ports.push((server.address() as AddressInfo).port)
}
process.on('message', () => {
  process.send?.([...counts])
  counts.fill(0)
})
process.on('disconnect', () => process.exit())
process.stdout.write(`${ports.join(' ')}\n`)
