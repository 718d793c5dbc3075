import type { EventGap, ObjectEvent } from '@stowage/core'
import { expectCode } from '@stowage/core/testing'
import {
  createMinioUser,
  freshBucket,
  s3Request,
  startMinio,
  startProxy,
  until,
  withMinio,
} from '@stowage/test-support'
import { Client } from 'minio'
import { expect, it } from 'vitest'
import { readEvents } from './events.ts'
import { minio } from './index.ts'

type Watched = (ObjectEvent | EventGap)[]

async function collect(events: AsyncIterable<Watched>, into: Watched): Promise<void> {
  for await (const batch of events) into.push(...batch)
}

const names = (events: Watched): string[] =>
  events.map((event) => (event.type === 'gap' ? 'gap' : `${event.type} ${event.key}`))

it('reads events from lines however they are cut, and passes over signs of life', async () => {
  const record = (eventName: string, key: string) => ({
    eventName,
    eventTime: '2026-01-01T00:00:00.000Z',
    s3: { object: { key, size: 5, eTag: 'e', sequencer: '17A' } },
  })
  const text = [
    ' ',
    '{}',
    JSON.stringify({
      Records: [record('s3:ObjectCreated:Put', 'a/b c+%猫'), record('s3:ObjectAccessed:Get', 'x')],
    }),
    '   {"Records":null}',
    JSON.stringify({ Records: [record('s3:ObjectRemoved:Delete', 'gone')] }),
    '',
  ].join('\n')
  const bytes = Buffer.from(text)
  for (const size of [1, 7, 10_000]) {
    async function* cut(): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
    }
    const events: ObjectEvent[] = []
    for await (const event of readEvents(cut())) events.push(event)
    const time = Date.UTC(2026, 0, 1)
    expect(events).toEqual([
      { type: 'created', key: 'a/b c+%猫', size: 5, etag: 'e', sequencer: '17A', time },
      { type: 'removed', key: 'gone', etag: 'e', sequencer: '17A', time },
    ])
  }
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('<html>\n')
  }
  await expectCode(readEvents(broken()).next(), 'unavailable')
})

await withMinio((server) => {
  it('tells what MinIO’s own client tells', async () => {
    const bucket = (await freshBucket(server)).name
    const { endpoint, accessKey, secretKey, region } = server
    const { hostname, port } = new URL(endpoint)
    const client = new Client({ endPoint: hostname, port: Number(port), useSSL: false, accessKey, secretKey, region })
    const poller = client.listenBucketNotification(bucket, '', '', ['s3:ObjectCreated:*', 's3:ObjectRemoved:*'])
    const theirs: string[] = []
    poller.on('notification', (record: unknown) => void theirs.push(JSON.stringify(record)))
    const lan = minio({ id: 'lan', endpoint, bucket, accessKey, secretKey })
    const ours: Watched = []
    const stop = new AbortController()
    const watching = collect(lan.watch({ signal: stop.signal }), ours)
    // MinIO leaves out events that come in quick succession (its own client sees no more of them), so each is brought about until it is told.
    const broughtAbout = (told: string, bringAbout: () => Promise<unknown>) =>
      expect
        .poll(
          async () => {
            await bringAbout()
            return names(ours)
          },
          { interval: 100 },
        )
        .toContain(told)
    try {
      const odd = 'a b/ü+%.txt'
      await broughtAbout(`created ${odd}`, () => lan.put(odd, Buffer.from('hello')))
      await broughtAbout('created copied', () => lan.copy(odd, 'copied'))
      await broughtAbout('created parts', async () => {
        const { uploadId } = await lan.multipart.create('parts')
        const part = await lan.multipart.uploadPart('parts', uploadId, 1, Buffer.from('hello'))
        await lan.multipart.complete('parts', uploadId, [part])
      })
      await broughtAbout('removed copied', async () => {
        await lan.put('copied', Buffer.from('x'))
        await new Promise((resolve) => setTimeout(resolve, 50))
        await lan.delete('copied')
      })
      const { etag } = await lan.head(odd)
      expect(ours.findLast((event) => event.type === 'created' && event.key === odd)).toMatchObject({
        size: 5,
        etag: expect.any(String),
      })
      expect(etag).not.toBe('')
      for (const name of [
        'ObjectCreated:Put',
        'ObjectCreated:Copy',
        'ObjectCreated:CompleteMultipartUpload',
        'ObjectRemoved:Delete',
      ]) {
        expect(theirs.filter((text) => text.includes(`"s3:${name}"`)).length).toBeGreaterThan(0)
      }
    } finally {
      stop.abort()
      await expectCode(watching, 'aborted')
      poller.stop()
      await lan.close()
    }
  })

  it('ends for who may not listen, and gives its connection back to who stops', async () => {
    const bucket = (await freshBucket(server)).name
    const user = await createMinioUser(server, 'writeonly')
    const { endpoint, accessKey, secretKey } = user
    const refused = minio({ id: 'lan', endpoint, bucket, accessKey, secretKey })
    await expectCode(collect(refused.watch(), []), 'access-denied')
    await refused.close()

    const proxy = await startProxy({ target: endpoint })
    const lan = minio({ ...server, id: 'lan', endpoint: proxy.endpoint, bucket })
    const events = lan.watch()[Symbol.asyncIterator]()
    const first = events.next()
    await expect
      .poll(async () => {
        await lan.put('k', Buffer.from(String(Math.random())))
        return Promise.race([first.then(() => true), new Promise((resolve) => setTimeout(resolve, 50, false))])
      })
      .toBe(true)
    await events.return?.()
    await lan.close()
    await expect.poll(() => proxy.open).toBe(0)
  })

  it('tells a gap when the first connection broke before anything came back', async () => {
    const bucket = (await freshBucket(server)).name
    const proxy = await startProxy({ target: server.endpoint })
    const lan = minio({ ...server, id: 'lan', endpoint: proxy.endpoint, bucket })
    const stop = new AbortController()
    const seen: Watched = []
    const watching = collect(lan.watch({ signal: stop.signal }), seen)
    await until('it has asked', () => proxy.bytesUp > 0)
    proxy.clear()
    proxy.closeAll()
    await until('the gap is told', () => seen.length > 0)
    expect(names(seen)).toEqual(['gap'])
    stop.abort()
    await expectCode(watching, 'aborted')
    await lan.close()
  })
})

await withMinio(() => {
  it('goes on when the server is killed and comes back, and tells the gap', async () => {
    await using server = await startMinio()
    await s3Request(server, { method: 'PUT', path: '/train' })
    const { endpoint, accessKey, secretKey } = server
    const lan = minio({ id: 'lan', endpoint, bucket: 'train', accessKey, secretKey })
    const stop = new AbortController()
    const seen: Watched = []
    const watching = collect(lan.watch({ signal: stop.signal }), seen)
    const told = (text: string, key: string) =>
      expect
        .poll(
          async () => {
            await lan.put(key, Buffer.from(String(Math.random()))).catch(() => undefined)
            return names(seen)
          },
          { interval: 100 },
        )
        .toContain(text)
    await told('created before', 'before')
    await server.kill()
    await server.restart()
    await told('created after', 'after')
    expect(names(seen).indexOf('gap')).toBeGreaterThan(names(seen).indexOf('created before'))
    expect(names(seen).indexOf('gap')).toBeLessThan(names(seen).indexOf('created after'))
    stop.abort()
    await expectCode(watching, 'aborted')
    await lan.close()
  })
})
