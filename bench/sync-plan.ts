/**
 * Plans a sync of so many simulated keys on both sides, on a store in a folder, and prints what it took as JSON:
 * `node bench/sync-plan.ts <keys> <lanes> <folder> [small]`, with `small` as the command line keeps its memory. A process of its own, so that its peak of memory is that of the plan.
 */

import { setFlagsFromString } from 'node:v8'
import { memory } from '@stowage/adapters/memory'
import {
  at,
  type ListedObject,
  type ListOptions,
  type ListPage,
  type StorageAdapter,
  StowageError,
} from '@stowage/core'
import { createSync, fileStore } from '@stowage/sync'

/** What {@link planOnce} found. */
export interface PlanFigures {
  seconds: number
  peakMib: number
  skipped: number
}

const pageSize = 1000

/** A store that makes up its listing: keys with a long beginning in common and a number, and etags without a pattern. */
function simulated(id: string, count: number): StorageAdapter {
  const base = memory({ id })
  const own = {
    id,
    capabilities: { ...base.capabilities, etagIsMd5: true, serverSideCopy: false },
    async head(key: string): Promise<never> {
      throw new StowageError('not-found', 'There is no such object.', { key })
    },
    async *list({ prefix = '', startAfter, pageSize: size = pageSize }: ListOptions = {}): AsyncGenerator<ListPage> {
      for (let i = after(startAfter?.slice(prefix.length) ?? ''); i < count; i += size) {
        const objects = Array.from({ length: Math.min(size, count - i) }, (_, n) => object(prefix, i + n))
        yield { objects, prefixes: [] }
      }
    },
  }
  return new Proxy(base, { get: (target, name) => Reflect.get(name in own ? own : target, name) })
}

const stem = 'dataset/part-'
const digits = 10

/** The number of the first key above this one, whatever it is. */
function after(key: string): number {
  if (key < stem) return 0
  if (!key.startsWith(stem)) return Number.POSITIVE_INFINITY
  const tail = key.slice(stem.length)
  const number = /^\d*/.exec(tail)?.[0].slice(0, digits) ?? ''
  const least = Number(number.padEnd(digits, '0'))
  if (number.length === digits) return least + 1
  if (tail.length === number.length) return least
  // A character behind the digits: all digits come before it, or after.
  return (tail[number.length] ?? '') > '9' ? Number(number.padEnd(digits, '9')) + 1 : least
}

function object(prefix: string, i: number): ListedObject {
  return {
    key: `${prefix}${stem}${String(i).padStart(digits, '0')}`,
    size: 4096 + (i % 977),
    etag: etag(i),
    lastModified: 0,
  }
}

const words = Buffer.alloc(16)

/** 32 hexadecimal digits that look like those of an MD5. */
function etag(i: number): string {
  for (let word = 0; word < 4; word++) {
    let x = Math.imul(i + (word + 1) * 0x9e3779b9, 0x85ebca6b)
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35)
    words.writeUInt32LE((x ^ (x >>> 16)) >>> 0, word * 4)
  }
  return words.toString('hex')
}

const [keys = '', lanes = '', folder = '', memoryKept = ''] = process.argv.slice(2)
if (memoryKept === 'small')
  for (const flag of ['--semi-space-growth-factor=1', '--heap-growing-percent=100']) setFlagsFromString(flag)
const sync = createSync({ store: fileStore(folder) })
const started = performance.now()
const result = await sync.run({
  from: at(simulated('a', Number(keys)), 'src'),
  to: at(simulated('b', Number(keys)), 'dst'),
  lanes: Number(lanes),
})
if (result.status !== 'success') throw new Error(JSON.stringify(result))
const figures: PlanFigures = {
  seconds: (performance.now() - started) / 1000,
  peakMib: process.resourceUsage().maxRSS / 1024,
  skipped: result.objects.skipped,
}
process.stdout.write(`${JSON.stringify(figures)}\n`)
