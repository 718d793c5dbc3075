import { createHash } from 'node:crypto'
import { filesystem } from '@stowage/adapters/filesystem'
import { memory, presignHandler } from '@stowage/adapters/memory'
import { minio } from '@stowage/adapters/minio'
import { oss } from '@stowage/adapters/oss'
import { rustfs } from '@stowage/adapters/rustfs'
import { BLOCK_SIZE, digestOf, type PresignedRequest, type StorageAdapter } from '@stowage/core'
import { expectCode } from '@stowage/core/testing'
import {
  freshBucket,
  resolveLocalhost,
  startOssDouble,
  tempDir,
  testKey,
  withMinio,
  withRustfs,
} from '@stowage/test-support'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { createStowage } from '../../app/create.ts'
import type { Stowage } from '../../app/stowage.ts'
import type { OpenDraft } from '../draft.ts'
import type { SignedPart, SignedUpload } from './index.ts'

const MIB = 1024 * 1024
const PART = 5 * MIB

type Send = (request: PresignedRequest, body: Uint8Array) => Promise<Response>

interface Store {
  adapter: StorageAdapter
  send: Send
}

const byFetch: Send = ({ url, method, headers }, body) => fetch(url, { method, headers, body: Uint8Array.from(body) })

/** Bytes of which no two blocks are equal. */
function bytesFor(size: number, seed: string): Buffer {
  const out = Buffer.alloc(size)
  for (let at = 0, i = 0; at < size; at += MIB, i++) {
    out.fill(createHash('sha256').update(`${seed} ${i}`).digest(), at, Math.min(size, at + MIB))
  }
  return out
}

async function keysOf(adapter: StorageAdapter, prefix: string): Promise<string[]> {
  const keys: string[] = []
  for await (const page of adapter.list({ prefix })) keys.push(...page.objects.map(({ key }) => key))
  return keys
}

async function bytesOf(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}

function single(signed: SignedUpload): PresignedRequest {
  if (signed.kind === 'single') return signed.request
  throw new Error('not one PUT')
}

function parts(signed: SignedUpload): SignedPart[] {
  if (signed.kind === 'parts') return signed.parts
  throw new Error('not in parts')
}

function suite(name: string, make: () => Promise<Store>): void {
  describe(name, () => {
    const opened: { stowage: Stowage; adapter: StorageAdapter }[] = []
    afterEach(async () => {
      for (const { stowage, adapter } of opened.splice(0)) {
        await stowage.close()
        await adapter.close()
      }
    })

    async function world() {
      const { adapter, send } = await make()
      const stowage = await createStowage(
        { sources: [{ id: adapter.id, type: 'memory', isPublic: true }] },
        { background: false, adapters: { [adapter.id]: adapter } },
      )
      opened.push({ stowage, adapter })
      const { datasets } = stowage.as({ userId: 'ada', userType: 'external' })
      const cats = await datasets.create({ name: 'cats' })
      const { draft } = await cats.draft()
      const root = draft.draft.path
      const sendParts = async (list: readonly SignedPart[], bytes: Buffer) => {
        for (const part of list) {
          const response = await send(part, bytes.subarray(part.start, part.start + part.size))
          expect(response.status, await response.text()).toBe(200)
        }
      }
      return { adapter, send, sendParts, datasets, cats, draft, root }
    }

    /** Publishes and reads back, through the door every reader takes. */
    async function readBack(w: Awaited<ReturnType<typeof world>>, draft: OpenDraft, path: string): Promise<Buffer> {
      await w.cats.publish(draft)
      return bytesOf((await w.datasets.open(w.cats.id, path)).stream)
    }

    it('a small file goes in one PUT, is in the draft only once it was accepted, and cannot be replaced', async () => {
      const w = await world()
      const bytes = bytesFor(100_000, 'small')
      const { digest } = digestOf(bytes)
      const signed = await w.draft.signUpload('train/é 1.jpg', { size: bytes.length, digest })
      const request = single(signed)
      expect(request.headers['content-type']).toBe('image/jpeg')
      expect(signed.expiresAt).toBeGreaterThan(Date.now() + 3_500_000)
      await expectCode(w.draft.acceptUpload('train/é 1.jpg'), 'not-found')
      expect((await w.send(request, bytes)).status).toBe(200)
      expect(await w.draft.countFiles()).toBe(0)
      const waiting = await expectCode(w.cats.publish(w.draft), 'conflict')
      expect(waiting.message).toContain('"train/é 1.jpg"')
      const file = await w.draft.acceptUpload('train/é 1.jpg')
      expect(file).toMatchObject({ path: 'train/é 1.jpg', size: 100_000, digest, contentType: 'image/jpeg' })
      expect(file.key).toBe(`${w.draft.id}/train/é 1.jpg`)
      expect(await w.draft.acceptUpload('train/é 1.jpg')).toEqual(file)
      const again = await w.send(request, bytesFor(100_000, 'other'))
      expect([409, 412]).toContain(again.status)
      await again.text()
      expect((await readBack(w, w.draft, 'train/é 1.jpg')).equals(bytes)).toBe(true)
    })

    it('a file of other bytes or another length is refused and deleted, and may be sent anew', async () => {
      const w = await world()
      const bytes = bytesFor(50_000, 'right')
      const { digest, size } = digestOf(bytes)
      for (const [wrong, said] of [
        [bytesFor(50_000, 'wrong'), 'has the digest'],
        [bytes.subarray(0, 49_999), 'has 49999 bytes instead of 50000'],
      ] as const) {
        const first = single(await w.draft.signUpload('a.bin', { size, digest }))
        expect((await w.send(first, wrong)).status).toBe(200)
        const refused = await expectCode(w.draft.acceptUpload('a.bin'), 'integrity')
        expect(refused.message).toContain(said)
        expect(refused.retryable).toBe(false)
        await expectCode(w.draft.acceptUpload('a.bin'), 'integrity')
        expect(await keysOf(w.adapter, `${w.root}${w.draft.id}`)).toEqual([])
        expect(await w.draft.countFiles()).toBe(0)
        // The URL is still good, and what it writes is good for nothing.
        expect((await w.send(first, bytes)).status).toBe(200)
        await expectCode(w.draft.acceptUpload('a.bin'), 'integrity')
        expect(await keysOf(w.adapter, `${w.root}${w.draft.id}`)).toEqual([])
      }
      const second = single(await w.draft.signUpload('a.bin', { size, digest }))
      expect((await w.send(second, bytes)).status).toBe(200)
      const file = await w.draft.acceptUpload('a.bin')
      expect(file.key).toBe(`${w.draft.id}.3/a.bin`)
      expect((await readBack(w, w.draft, 'a.bin')).equals(bytes)).toBe(true)
    })

    it('a large file goes in parts, of which those that are missing are named and sent', async () => {
      const w = await world()
      const bytes = bytesFor(2 * PART + 777, 'large')
      const { digest, size, blocks } = digestOf(bytes)
      const options = { size, digest, blocks, partSize: PART, metadata: { origin: 'camera 7' } }
      const signed = await w.draft.signUpload('large.bin', options)
      expect(signed).toMatchObject({ kind: 'parts', partSize: PART, partCount: 3 })
      const [one, two, three] = parts(signed) as [SignedPart, SignedPart, SignedPart]
      await w.sendParts([one, three], bytes)
      const missing = await expectCode(w.draft.acceptUpload('large.bin'), 'not-found')
      expect(missing.message).toMatch(/have not been sent: 2\.$/)
      const left = await w.draft.signParts('large.bin', { missing: true })
      expect(left.parts.map((part) => part.partNumber)).toEqual([2])
      // Called again, as after a page was loaded anew, it is the same upload.
      expect(await w.draft.signUpload('large.bin', options)).toMatchObject({ uploadId: (signed as never)['uploadId'] })
      const short = await w.send(two, bytes.subarray(0, PART - 1))
      expect(short.status).toBe(200)
      const wrong = await expectCode(w.draft.acceptUpload('large.bin'), 'integrity')
      expect(wrong.message).toContain(`2 (${PART - 1} bytes instead of ${PART})`)
      expect((await w.draft.signParts('large.bin', { missing: true })).parts).toHaveLength(1)
      await w.sendParts(left.parts, bytes)
      expect(await keysOf(w.adapter, w.root)).toEqual([])

      const file = await w.draft.acceptUpload('large.bin')
      expect(file).toMatchObject({ size, digest })
      const late = await w.send(one, bytes.subarray(0, PART))
      expect(late.status, 'a part of an upload that is done').toBeGreaterThanOrEqual(400)
      await late.text()
      expect((await w.adapter.head(w.root + file.key)).metadata).toEqual({ origin: 'camera 7' })
      expect(await w.adapter.multipart.list(w.root + file.key)).toEqual([])
      expect((await readBack(w, w.draft, 'large.bin')).equals(bytes)).toBe(true)
    })

    it('a wrong block is found before the end, where the digests of blocks were given', async () => {
      const w = await world()
      const bytes = bytesFor(BLOCK_SIZE + 2 * PART, 'blocks')
      const { digest, size, blocks } = digestOf(bytes)
      const signed = await w.draft.signUpload('b.bin', { size, digest, blocks, partSize: PART })
      const sent = Buffer.from(bytes)
      sent[3] = (sent[3] ?? 0) ^ 1
      await w.sendParts(parts(signed), sent)
      const refused = await expectCode(w.draft.acceptUpload('b.bin'), 'integrity')
      expect(refused.message).toContain('block 1 has another digest')
      expect(await keysOf(w.adapter, `${w.root}${w.draft.id}`)).toEqual([])
    })

    it('several acceptances at once give one answer, of right bytes and of wrong ones', async () => {
      const w = await world()
      const bytes = bytesFor(PART + 9, 'many')
      const { digest, size } = digestOf(bytes)
      await w.sendParts(parts(await w.draft.signUpload('many', { size, digest, partSize: PART })), bytes)
      const files = await Promise.all([1, 2, 3].map(() => w.draft.acceptUpload('many')))
      expect(new Set(files.map((file) => file.key)).size).toBe(1)
      const small = bytesFor(1000, 'small')
      const request = single(await w.draft.signUpload('wrong', { size: 1000, digest: digestOf(bytes).digest }))
      expect((await w.send(request, small)).status).toBe(200)
      await Promise.all([1, 2, 3].map(() => expectCode(w.draft.acceptUpload('wrong'), 'integrity')))
      expect(await w.draft.countFiles()).toBe(1)
      expect((await readBack(w, w.draft, 'many')).equals(bytes)).toBe(true)
    })

    it('an upload that was given up leaves nothing', async () => {
      const w = await world()
      const bytes = bytesFor(2 * PART, 'given up')
      const { digest, size } = digestOf(bytes)
      const signed = await w.draft.signUpload('a', { size, digest, partSize: PART })
      await w.sendParts(parts(signed).slice(0, 1), bytes)
      await w.draft.cancelUpload('a')
      await w.draft.cancelUpload('a')
      await expectCode(w.draft.acceptUpload('a'), 'conflict')
      await expectCode(w.draft.signParts('a'), 'not-found')
      expect(await w.adapter.multipart.list(`${w.root}${w.draft.id}/a`)).toEqual([])
      await w.draft.put('b', bytesFor(5, 'b'))
      expect((await w.cats.publish(w.draft)).fileCount).toBe(1)
    })
  })
}

const secret = testKey('presign').toString('base64')
const presign = { baseUrl: 'http://files.example/objects', secret }

/** A store that presigns by itself; its handler is called as a server would. */
function served(adapter: StorageAdapter): Store {
  const serve = presignHandler([adapter], presign)
  const send: Send = ({ url, method, headers }, body) => {
    const length = { 'content-length': String(body.length) }
    return serve(new Request(url, { method, headers: { ...headers, ...length }, body: Uint8Array.from(body) }))
  }
  return { adapter, send }
}

suite('memory', async () => served(memory({ id: 'store', presign })))
suite('a folder', async () => served(filesystem({ id: 'store', root: tempDir('signed'), presign })))

resolveLocalhost()
const double = await startOssDouble()
afterAll(() => double.stop())
suite('the OSS double', async () => {
  const { accessKey, secretKey, region, endpoint } = double
  const adapter = oss({ id: 'store', endpoint, region, bucket: double.createBucket(), accessKey, secretKey })
  return { adapter, send: byFetch }
})

await withMinio((server) => {
  suite('MinIO', async () => {
    const { endpoint, accessKey, secretKey } = server
    const bucket = (await freshBucket(server)).name
    return { adapter: minio({ id: 'store', endpoint, bucket, accessKey, secretKey }), send: byFetch }
  })

  it('on MinIO, an added copy source brings no object of another into a version whose digest one does not know', async () => {
    const { endpoint, accessKey, secretKey } = server
    const bucket = (await freshBucket(server)).name
    const adapter = minio({ id: 'store', endpoint, bucket, accessKey, secretKey })
    const stowage = await createStowage(
      { sources: [{ id: 'store', type: 'memory', isPublic: true }] },
      { background: false, adapters: { store: adapter } },
    )
    await adapter.put('private/secret', Buffer.from('nobody may read this'))
    const cats = await stowage.as({ userId: 'eve', userType: 'external' }).datasets.create({ name: 'eve' })
    const { draft } = await cats.draft()
    const { digest } = digestOf(Buffer.from('a guess of twenty b.'))
    const request = single(await draft.signUpload('mine', { size: 20, digest }))
    const headers = { ...request.headers, 'x-amz-copy-source': `/${bucket}/private/secret` }
    expect((await fetch(request.url, { method: 'PUT', headers })).status).toBe(200)
    await expectCode(draft.acceptUpload('mine'), 'integrity')
    expect(await keysOf(adapter, `${draft.draft.path}${draft.id}`)).toEqual([])
    await stowage.close()
    await adapter.close()
  })
})

await withRustfs((server) => {
  suite('RustFS', async () => {
    const { endpoint, accessKey, secretKey } = server
    const bucket = (await freshBucket(server)).name
    return { adapter: rustfs({ id: 'store', endpoint, bucket, accessKey, secretKey }), send: byFetch }
  })
})
