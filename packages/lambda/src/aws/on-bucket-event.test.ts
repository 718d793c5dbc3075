import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { memory } from '@stowage/adapters/memory'
import { testSecret } from '@stowage/test-support'
import { parseBucketEvents, StowageError } from 'stowage'
import { describe, expect, it } from 'vitest'
import { onBucketEvent } from './on-bucket-event.ts'

const captured = JSON.parse(readFileSync(join(import.meta.dirname, 'captured-event.json'), 'utf8'))
const time = (ms: number) => ({ getRemainingTimeInMillis: () => ms })

async function fixture() {
  const s3 = memory({ id: 's3' })
  const lan = memory({ id: 'lan' })
  await s3.put('incoming/red flower+\u00e9.jpg', Buffer.from('flower'), { contentType: 'image/jpeg' })
  await s3.put('elsewhere/x', Buffer.from('x'))
  let configs = 0
  const handler = onBucketEvent({
    config: async () => {
      configs++
      return {
        default: {
          sources: [
            {
              id: 's3',
              type: 's3' as const,
              bucket: 'amzn-s3-demo-bucket',
              region: 'us-west-2',
              accessKey: 'a',
              secretKey: testSecret('lambda'),
            },
            { id: 'lan', type: 'memory' as const },
          ],
          policies: [
            { id: 'arrivals', on: 'event' as const, from: 's3:incoming/', to: 'lan:arrived/' },
            { id: 'others', on: 'event' as const, from: 's3:incoming-precious/', to: 'lan:wrong/' },
          ],
        },
      }
    },
    stowage: { adapters: { s3, lan } },
  })
  return { handler, s3, lan, configs: () => configs }
}

describe('parseBucketEvents', () => {
  it('reads a captured event, its key decoded', () => {
    expect(parseBucketEvents(captured)).toEqual([
      {
        provider: 'aws',
        type: 'created',
        bucket: 'amzn-s3-demo-bucket',
        key: 'incoming/red flower+\u00e9.jpg',
        size: 1024,
        etag: 'd41d8cd98f00b204e9800998ecf8427e',
        versionId: '096fKKXTRTtl3on89fVO.nfljtsv6qko',
        sequencer: '0055AED6DCD90281E5',
        time: expect.any(Number),
        rawName: 'ObjectCreated:Put',
      },
    ])
  })

  it("ignores S3's test event and events of other kinds, and refuses what is no event", () => {
    expect(parseBucketEvents({ Service: 'Amazon S3', Event: 's3:TestEvent', Bucket: 'b' })).toEqual([])
    const other = structuredClone(captured)
    other.Records[0].eventName = 'ObjectTagging:Put'
    expect(parseBucketEvents(other)).toEqual([])
    expect(() => parseBucketEvents({ hello: 1 })).toThrow(expect.objectContaining({ code: 'invalid-request' }))
    other.Records[0].s3.object.key = 'incoming/%zz'
    other.Records[0].eventName = 'ObjectCreated:Put'
    expect(() => parseBucketEvents(other)).toThrow(
      expect.objectContaining({ code: 'invalid-request', key: 'incoming/%zz' }),
    )
    other.Records[0].eventVersion = '3.0'
    expect(() => parseBucketEvents(other)).toThrow(expect.objectContaining({ code: 'newer-format' }))
  })
})

describe('onBucketEvent', () => {
  it('starts the sync that the policy of the prefix names, and no other', async () => {
    const { handler, lan } = await fixture()
    const result = await handler(captured, time(60_000))
    expect(result).toMatchObject({
      events: 1,
      syncs: [{ policyId: 'arrivals', status: 'success', copied: 1, bytes: 6 }],
    })
    const { info, body } = await lan.get('arrived/red flower+\u00e9.jpg')
    body.destroy()
    expect(info.contentType).toBe('image/jpeg')
    await expect(lan.head('elsewhere/x')).rejects.toMatchObject({ code: 'not-found' })
  })

  it('delivered twice it copies once, and asks for the configuration once', async () => {
    const { handler, configs } = await fixture()
    await handler(captured, time(60_000))
    expect(await handler(captured, time(60_000))).toMatchObject({ syncs: [{ copied: 0, status: 'success' }] })
    expect(configs()).toBe(1)
  })

  it('throws when there is no time left, so that the event comes again', async () => {
    const { handler } = await fixture()
    await expect(handler(captured, time(5000))).rejects.toMatchObject({ code: 'unavailable', retryable: true })
  })

  it('throws when the source fails, so that the event comes again, and then succeeds', async () => {
    const { handler, s3 } = await fixture()
    const { head } = s3
    s3.head = () => Promise.reject(new StowageError('access-denied', 'closed'))
    await expect(handler(captured, time(60_000))).rejects.toThrow()
    s3.head = head
    expect(await handler(captured, time(60_000))).toMatchObject({ syncs: [{ copied: 1 }] })
  })

  it('a policy that fails holds up no other, and the event comes again', async () => {
    const [s3, lan, ill] = [memory({ id: 's3' }), memory({ id: 'lan' }), memory({ id: 'ill' })]
    await s3.put('incoming/red flower+\u00e9.jpg', Buffer.from('flower'))
    ill.put = () => Promise.reject(new StowageError('access-denied', 'closed'))
    const handler = onBucketEvent({
      config: () => ({
        sources: [
          { id: 's3', type: 's3', bucket: 'amzn-s3-demo-bucket' },
          { id: 'lan', type: 'memory' },
          { id: 'ill', type: 'memory' },
        ],
        policies: [
          { id: 'first', on: 'event', from: 's3:incoming/', to: 'ill:' },
          { id: 'second', on: 'event', from: 's3:incoming/', to: 'lan:arrived' },
        ],
      }),
      stowage: { adapters: { s3, lan, ill } },
    })
    await expect(handler(captured, time(60_000))).rejects.toThrow('Policy "first" is not finished')
    expect((await lan.head('arrived/red flower+\u00e9.jpg')).size).toBe(6)
  })

  it('takes two arguments, as the runtime wants it', async () => {
    expect((await fixture()).handler.length).toBe(2)
  })
})
