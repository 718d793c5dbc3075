import { describe, expect, it } from 'vitest'
import { parseBucketEvents } from './bucket-events.ts'

describe('parseBucketEvents', () => {
  it("reads MinIO's, its keys decoded", () => {
    const event = {
      EventName: 's3:ObjectCreated:Put',
      Key: 'train/raw/red flower.jpg',
      Records: [
        {
          eventVersion: '2.0',
          eventSource: 'minio:s3',
          eventTime: '2026-11-26T00:00:00.123Z',
          eventName: 's3:ObjectCreated:Put',
          s3: {
            bucket: { name: 'train' },
            object: { key: 'raw%2Fred+flower.jpg', size: 3, eTag: 'abc', versionId: '', sequencer: '18' },
          },
        },
      ],
    }
    expect(parseBucketEvents(event)).toEqual([
      {
        provider: 'minio',
        type: 'created',
        bucket: 'train',
        key: 'raw/red flower.jpg',
        size: 3,
        etag: 'abc',
        sequencer: '18',
        time: Date.UTC(2026, 10, 26, 0, 0, 0, 123),
        rawName: 's3:ObjectCreated:Put',
      },
    ])
  })

  it("reads OSS's, and both readings of a key that could be encoded", () => {
    const record = (eventName: string, key: string) => ({
      eventName,
      eventSource: 'acs:oss',
      eventTime: '2026-11-26T00:00:00.000Z',
      eventVersion: '1.0',
      oss: { bucket: { name: 'datasets' }, object: { key, size: 3, eTag: 'ABC' } },
    })
    const events = [
      record('ObjectCreated:CompleteMultipartUpload', 'a%20b'),
      record('ObjectRemoved:DeleteObject', '100%'),
      record('ObjectCreated:UploadPart', 'part'),
      record('ObjectDownloaded:GetObject', 'read'),
    ]
    expect(parseBucketEvents({ events }).map(({ type, key, bucket }) => [type, key, bucket])).toEqual([
      ['created', 'a%20b', 'datasets'],
      ['created', 'a b', 'datasets'],
      ['removed', '100%', 'datasets'],
    ])
  })

  it.for([[{ hello: 1 }], [{ Records: [{}] }], [null], ['x'], [{ events: [{ eventName: 'x' }] }]])(
    'refuses %j',
    ([event]) => {
      expect(() => parseBucketEvents(event)).toThrow(expect.objectContaining({ code: 'invalid-request' }))
    },
  )
})
