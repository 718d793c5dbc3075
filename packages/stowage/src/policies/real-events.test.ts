import { appendFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freshBucket, s3Request, startProxy, tempDir, until, withMinio } from '@stowage/test-support'
import { describe, expect, it } from 'vitest'
import { createStowage } from '../app/create.ts'
import type { Stowage } from '../app/stowage.ts'
import type { PolicyConfig, SourceConfig } from '../config/index.ts'

/** On a busy machine a look takes seconds, and one that is wanted for a gap comes no sooner than ten times as long after the one before. */
const patience = { timeout: 120_000, interval: 50 }

async function started(sources: SourceConfig[], policies: PolicyConfig[]): Promise<Stowage> {
  const stowage = await createStowage({ sources, policies })
  void stowage.policies.start()
  for (const { id } of policies) await expect.poll(async () => reconciled(stowage, id), patience).toBe(true)
  return stowage
}

/** Until nothing is left to do, for a while: what comes next then meets nothing of what went before. */
async function rests(stowage: Stowage): Promise<void> {
  let last = -1
  await until(
    'the policies rest',
    async () => {
      const policies = await stowage.policies.list()
      const count = (await stowage.tasks.list({ limit: 1000 })).length
      const same = count === last && policies.every(({ state }) => state === 'idle')
      last = count
      return same
    },
    { timeoutMs: patience.timeout, everyMs: 1000, seen: () => stowage.policies.list() },
  )
}

/** Until the store's own stream tells of what happens there, and all that was told is done: from then on nothing is looked at but what changes. */
async function hears(stowage: Stowage, id: string, write: (text: string) => Promise<unknown>): Promise<void> {
  let count = 0
  await expect
    .poll(async () => {
      if (++count % 10 === 1) await write(`${count}`)
      return (await stowage.policies.get(id)).last?.trigger
    }, patience)
    .toBe('event')
  await expect.poll(async () => reconciled(stowage, id), patience).toBe(true)
}

async function reconciled(stowage: Stowage, id: string): Promise<boolean> {
  const policy = await stowage.policies.get(id)
  return policy.reconciled !== undefined && policy.wanted === undefined && !policy.running
}

describe('two folders, each copied to the other as it changes', () => {
  it('come to rest with the same contents, whoever wrote', async () => {
    const root = tempDir('rings')
    for (const name of ['a', 'b']) mkdirSync(join(root, name))
    const stowage = await started(
      (['a', 'b'] as const).map((id) => ({ id, type: 'filesystem', root: join(root, id) })),
      [
        { id: 'there', on: 'event', from: 'a:', to: 'b:', debounceMs: 50 },
        { id: 'back', on: 'event', from: 'b:', to: 'a:', debounceMs: 50 },
      ],
    )
    let written = 0
    stowage.events.on('task.state', ({ status, objects }) => {
      if (status === 'success') written += objects.copied
    })
    const text = (name: string, key: string): string => readFileSync(join(root, name, key), 'utf8')
    // It goes round: the copy is an event of the other folder, which finds that both have the same.
    const seen = async (): Promise<number> => (await stowage.tasks.list({ limit: 1000 })).length
    await rests(stowage)
    writeFileSync(join(root, 'a', 'x'), 'one')
    await expect.poll(() => text('b', 'x'), patience).toBe('one')
    // Each policy goes one way: what changes on one side while the other's change is under way is a matter of who comes last.
    await rests(stowage)
    appendFileSync(join(root, 'b', 'x'), ' two')
    await expect.poll(() => text('a', 'x'), patience).toBe('one two')
    await rests(stowage)
    writeFileSync(join(root, 'b', 'y'), 'y')
    await expect.poll(() => text('a', 'y'), patience).toBe('y')
    // Three writes, three copies; what they led to found nothing to do.
    await expect
      .poll(async () => (await stowage.policies.list()).every(({ last }) => last?.trigger === 'event'), patience)
      .toBe(true)
    await rests(stowage)
    const tasks = await seen()
    writeFileSync(join(root, 'a', 'last'), 'last')
    await expect.poll(() => text('b', 'last'), patience).toBe('last')
    await expect.poll(seen, patience).toBeGreaterThanOrEqual(tasks + 2)
    await expect.poll(() => written, patience).toBe(4)
    await rests(stowage)
    expect(written).toBe(4)
    await stowage.close()
  }, 400_000)
})

await withMinio((server) => {
  it('brings what a bucket tells of with a few requests and no listing, and says how far behind it is', async () => {
    const { name: bucket } = await freshBucket(server)
    const { endpoint, accessKey, secretKey } = server
    const root = tempDir('target')
    const stowage = await started(
      [
        { id: 'lan', type: 'minio', endpoint, bucket, accessKey, secretKey },
        { id: 'disk', type: 'filesystem', root },
      ],
      [{ id: 'p', on: 'event', from: 'lan:raw', to: 'disk:', delete: true, maxDeletePercent: 100, debounceMs: 100 }],
    )
    const lan = await stowage.sources.adapter('lan')
    await hears(stowage, 'p', (text) => lan.put('raw/sign', Buffer.from(text)))
    const names = Array.from({ length: 20 }, (_, i) => `f ${i}+é`)
    const tell = (key: string, type: 'Created:Put' | 'Removed:Delete'): Promise<unknown> =>
      stowage.policies.handleEvents({
        EventName: `s3:Object${type}`,
        Records: [
          {
            eventVersion: '2.0',
            eventSource: 'minio:s3',
            eventName: `s3:Object${type}`,
            eventTime: new Date().toISOString(),
            s3: { bucket: { name: bucket }, object: { key: encodeURIComponent(key) } },
          },
        ],
      })
    for (const name of names) await lan.put(`raw/${name}`, Buffer.from(name))
    const requests: string[] = []
    stowage.events.on('source.call', ({ sourceId, operation }) => {
      if (sourceId === 'lan') requests.push(operation)
    })
    for (const name of names) await tell(`raw/${name}`, 'Created:Put')
    await expect.poll(() => readdirSync(root).filter((name) => name.startsWith('f')).length, patience).toBe(20)
    await expect.poll(async () => (await stowage.policies.get('p')).lag?.count, patience).toBeGreaterThanOrEqual(20)
    expect(requests.filter((operation) => operation !== 'head' && operation !== 'get')).toEqual([])
    expect(requests.length).toBeLessThan(100)
    await lan.delete('raw/f 3+é')
    await tell('raw/f 3+é', 'Removed:Delete')
    await expect.poll(() => readdirSync(root).filter((name) => name.startsWith('f')).length, patience).toBe(19)
    expect((await stowage.policies.get('p')).lag?.p50Ms).toBeGreaterThan(0)
    await stowage.close()
  }, 400_000)

  it('makes up for what happened while nothing was heard of the store', async () => {
    const { name: bucket } = await freshBucket(server)
    const proxy = await startProxy({ target: server.endpoint })
    const { accessKey, secretKey } = server
    const root = tempDir('target')
    const stowage = await started(
      [
        { id: 'lan', type: 'minio', endpoint: proxy.endpoint, bucket, accessKey, secretKey },
        { id: 'disk', type: 'filesystem', root },
      ],
      [{ id: 'p', on: 'event', from: 'lan:', to: 'disk:', debounceMs: 100 }],
    )
    let written = 0
    const write = (path: string) => s3Request(server, { method: 'PUT', path, body: `${++written}` })
    await hears(stowage, 'p', () => write(`/${bucket}/sign`))
    proxy.refuse(true)
    proxy.closeAll()
    await write(`/${bucket}/x`)
    proxy.refuse(false)
    await expect.poll(() => readdirSync(root).includes('x'), patience).toBe(true)
    await expect.poll(async () => (await stowage.policies.get('p')).last?.trigger, patience).toBe('gap')
    await stowage.close()
  }, 400_000)
})
