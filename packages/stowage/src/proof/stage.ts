/**
 * What the proofs play on: two buckets of a real MinIO, each behind a line and a proxy that counts and meddles, a configuration that knows
 * them only by these, and the command line. What a test puts there or looks at goes past the proxies.
 */
import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { minio } from '@stowage/adapters/minio'
import type { StorageAdapter } from '@stowage/core'
import type { SyncResult } from '@stowage/sync'
import {
  freshBucket,
  type HttpAnswer,
  type Proxy as Line,
  type StoreProxy,
  startProxy,
  startStoreProxy,
  type TestServer,
  tempDir,
} from '@stowage/test-support'
import pLimit from 'p-limit'
import { expect } from 'vitest'
import { runIn } from '../cli/testing.ts'
import type { SourceConfig, StowageConfigInput } from '../config/index.ts'

/** One side of a sync. */
interface StageSide {
  /** The id of its source. */
  readonly id: 'from' | 'to'
  readonly server: TestServer
  readonly bucket: string
  readonly proxy: StoreProxy
  /** The line to that proxy: for its speed, and to break it. */
  readonly line: Line
  /** Past the proxy. */
  readonly store: StorageAdapter
  /** Puts objects there, past the proxy. */
  fill(objects: Readonly<Record<string, Uint8Array | string>>): Promise<void>
  /** Key and MD5 of everything below a prefix, past the proxy. */
  contents(prefix?: string): Promise<Record<string, string>>
  /** Unfinished uploads of these keys, asked one by one. */
  uploads(keys: Iterable<string>): Promise<string[]>
}

export interface Stage {
  readonly cwd: string
  readonly from: StageSide
  readonly to: StageSide
  /** What the configuration says, for a `createStowage` of the test's own. */
  readonly config: StowageConfigInput
  /** Runs `stowage ARGS --json` in this process. */
  stowage(...args: string[]): Promise<Ended>
  /** `stowage sync from:in to:out ARGS`. */
  sync(...args: string[]): Promise<Ended>
  /** Both sides hold the same below their prefixes, and no upload is unfinished. */
  expectSame(): Promise<void>
}

/** How a command ended. */
interface Ended {
  code: number
  stderr: string
  /** What it printed; empty when it printed nothing. */
  json: SyncResult & { error?: { code: string; message: string } }
}

interface StageOptions {
  /** @defaultValue the same as `to` */
  from?: TestServer
  to: TestServer
  /** More of the configuration of both sources. */
  source?: Partial<SourceConfig>
  /** More of the configuration of one. */
  sources?: { from?: Partial<SourceConfig>; to?: Partial<SourceConfig> }
  /** More of the configuration. */
  config?: Partial<StowageConfigInput>
}

export async function stage({ to, from = to, source = {}, sources = {}, config = {} }: StageOptions): Promise<Stage> {
  const cwd = tempDir('proof')
  const sides = [await side('from', from), await side('to', to)] as const
  const whole: StowageConfigInput = {
    sources: sides.map(({ id, server, bucket, line: { endpoint } }) => {
      const { accessKey, secretKey } = server
      return { id, type: 'minio', endpoint, bucket, accessKey, secretKey, ...source, ...sources[id] }
    }),
    // Probes write too, and the proofs count what is sent.
    routing: { health: { probes: false } },
    ...config,
  }
  mkdirSync(cwd, { recursive: true })
  writeFileSync(join(cwd, 'stowage.config.json'), JSON.stringify(whole))
  const stowage = async (...args: string[]): Promise<Ended> => {
    const { code, stderr, json } = await runIn(cwd, [...args, '--json'])
    return { code, stderr, json: json ?? {} }
  }
  return {
    cwd,
    from: sides[0],
    to: sides[1],
    config: whole,
    stowage,
    sync: (...args) => stowage('sync', 'from:in', 'to:out', ...args),
    async expectSame() {
      const [expected, found] = [await sides[0].contents('in/'), await sides[1].contents('out/')]
      expect(found).toEqual(expected)
      expect(await sides[1].uploads(Object.keys(expected).map((key) => `out/${key}`))).toEqual([])
    },
  }
}

async function side(id: 'from' | 'to', server: TestServer): Promise<StageSide> {
  const { name: bucket } = await freshBucket(server)
  const { endpoint, accessKey, secretKey } = server
  const proxy = await startStoreProxy({ target: endpoint })
  const line = await startProxy({ target: proxy.endpoint })
  const store = minio({ id: `${id}-itself`, endpoint, bucket, accessKey, secretKey })
  const limit = pLimit(16)
  return {
    id,
    server,
    bucket,
    proxy,
    line,
    store,
    async fill(objects) {
      await limit.map(Object.entries(objects), ([key, body]) => {
        const bytes = typeof body === 'string' ? Buffer.from(body) : body
        return store.put(key, bytes, { size: bytes.length })
      })
    },
    async contents(prefix = '') {
      const found: [string, string][] = []
      for await (const page of store.list({ prefix }))
        found.push(...page.objects.map((o) => [o.key, o.etag] as [string, string]))
      const digests = await limit.map(found, async ([key, etag]) => {
        const name = key.slice(prefix.length)
        // What came in one piece has the MD5 of what arrived for an etag; what came in parts has to be read.
        if (/^[0-9a-f]{32}$/.test(etag)) return [name, etag]
        const hash = createHash('md5')
        for await (const chunk of (await store.get(key)).body) hash.update(chunk)
        return [name, hash.digest('hex')]
      })
      return Object.fromEntries(digests)
    },
    async uploads(keys) {
      const found = await limit.map(keys, async (key) => (await store.multipart.list(key)).map((upload) => upload.key))
      return found.flat()
    },
  }
}

/** Bytes that differ from place to place and from seed to seed. */
export function filled(size: number, seed: string): Buffer {
  const bytes = Buffer.alloc(size)
  const block = 64 * 1024
  for (let at = 0; at < size; at += block) {
    const pattern = createHash('sha256').update(`${seed} ${at}`).digest()
    bytes.fill(pattern, at, Math.min(size, at + block))
  }
  return bytes
}

/** A refusal as S3 stores word it. */
export function refusal(status: number, code: string, headers: Record<string, string> = {}): HttpAnswer {
  const body = Buffer.from(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>told to</Message></Error>`)
  return {
    status,
    headers: { 'content-type': 'application/xml', 'content-length': String(body.length), ...headers },
    body,
  }
}

export const KIB = 1024
export const MIB: number = 1024 * KIB
