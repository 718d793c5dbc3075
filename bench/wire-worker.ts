/** One client in a process of its own. Does what it is told and answers with the CPU time it took. */
import { readFileSync } from 'node:fs'
import { keyOf, wireClients } from './wire-clients.ts'

/** What a worker is told to do. */
export interface WireJob {
  does: 'put' | 'get' | 'copy' | 'list'
  /** Operations in all. */
  count: number
  /** Operations at a time. */
  concurrency: number
  /** Bytes of an object; keys of a listing. */
  size: number
}

/** What it took. */
export interface WireCost {
  /** Microseconds of CPU time, of all threads. */
  cpu: number
  /** MiB resident at most since the process began. */
  peak: number
}

const [name = '', endpoint = ''] = process.argv.slice(2)
const make = wireClients[name]
if (make === undefined) throw new Error(`there is no client ${name}`)
const client = await make(endpoint)

async function once({ does, size }: WireJob, bytes: Buffer): Promise<number> {
  if (does === 'put') await client.put(keyOf(size), bytes)
  else if (does === 'get') return client.get(keyOf(size))
  else if (does === 'copy') await client.copy?.(keyOf(size), `copy-${size}`, size)
  else return (await client.list?.(`list-${size}`)) ?? 0
  return size
}

process.on('message', async (job: WireJob) => {
  const bytes = job.does === 'put' ? Buffer.alloc(job.size) : Buffer.alloc(0)
  let left = job.count
  const before = process.cpuUsage()
  const work = async (): Promise<void> => {
    while (left-- > 0) {
      const done = await once(job, bytes)
      if (done !== job.size) throw new Error(`${name}: ${job.does} came to ${done}, not ${job.size}`)
    }
  }
  await Promise.all(Array.from({ length: job.concurrency }, work))
  const { user, system } = process.cpuUsage(before)
  const peak = Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? 0) / 1024
  process.send?.({ cpu: user + system, peak } satisfies WireCost)
})
process.on('disconnect', () => process.exit())
