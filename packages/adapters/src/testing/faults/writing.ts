import { expectCode } from '@stowage/core/testing'
import { expect } from 'vitest'
import { exists, readBytes, streamOf } from '../bytes.ts'
import { bytes, size } from './reading.ts'
import type { FaultCase, Scene } from './scene.ts'

const kinds = ['cut', 'reset', 'truncate', 'stall'] as const

/**
 * Whatever happened: the object is whole or not there. Whole also after an error: what was on its way may arrive after we gave up.
 */
async function expectWholeOrNone({ direct, wire }: Scene, key: string): Promise<void> {
  wire.clear()
  if (await exists(direct, key)) expect((await readBytes(direct, key)).equals(bytes)).toBe(true)
}

async function expectWhole({ direct }: Scene, key: string): Promise<void> {
  expect((await readBytes(direct, key)).equals(bytes)).toBe(true)
}

/** Bytes that one call sends on a connection that is open. */
async function sentBy({ adapter, wire }: Scene, call: () => Promise<unknown>): Promise<number> {
  await adapter.put('first', bytes.subarray(0, 10))
  wire.resetCounts()
  await call()
  return wire.bytesUp
}

const once = kinds.map(
  (kind): FaultCase => ({
    name: `${kind} once in the middle of a write: sent again, and whole`,
    waits: kind === 'stall',
    run: async (scene) => {
      scene.wire[`${kind}After`](100_000, 'up')
      await scene.adapter.put('key', bytes)
      // Once more where the store closes the connection behind its answer.
      expect(scene.waits.length).toBeGreaterThanOrEqual(1)
      await expectWhole(scene, 'key')
    },
  }),
)

const always = kinds.map(
  (kind): FaultCase => ({
    name: `${kind} in the middle of every write: an error worth another try, and no short object`,
    waits: kind === 'stall',
    run: async (scene) => {
      scene.wire[`${kind}After`](100_000, 'up', 10)
      const error = await expectCode(scene.adapter.put('key', bytes), 'unavailable', 'timeout', 'integrity')
      expect(error.retryable).toBe(true)
      const stream = scene.adapter.put('stream', streamOf(bytes), { size })
      await expectCode(stream, 'unavailable', 'timeout', 'integrity')
      await expectWholeOrNone(scene, 'key')
      await expectWholeOrNone(scene, 'stream')
      await scene.adapter.put('key', bytes)
      await expectWhole(scene, 'key')
    },
  }),
)

const parts = (['cut', 'stall'] as const).map(
  (kind): FaultCase => ({
    name: `${kind} once in the middle of a part: sent again, and the object whole`,
    waits: kind === 'stall',
    run: async (scene) => {
      const { uploadId } = await scene.adapter.multipart.create('key')
      scene.wire[`${kind}After`](100_000, 'up')
      const part = await scene.adapter.multipart.uploadPart('key', uploadId, 1, bytes)
      // Once more where a busy machine is silent by itself.
      if (kind === 'stall') expect(scene.waits.length).toBeGreaterThanOrEqual(1)
      else expect(scene.waits.length).toBe(1)
      await scene.adapter.multipart.complete('key', uploadId, [part])
      await expectWhole(scene, 'key')
    },
  }),
)

/** What goes wrong while bytes go. */
export const writingFaults: readonly FaultCase[] = [
  ...once,
  ...always,
  ...parts,
  {
    name: 'one byte of a write changed: sent again, and right',
    run: async (scene) => {
      const length = await sentBy(scene, () => scene.adapter.put('kez', bytes))
      scene.wire.corruptAt(length - size / 2, 'up')
      await scene.adapter.put('key', bytes)
      expect(scene.waits.length).toBe(1)
      await expectWhole(scene, 'key')
    },
  },
  {
    name: 'one byte of a stream changed: an error, and no wrong object',
    run: async (scene) => {
      const length = await sentBy(scene, () => scene.adapter.put('kez', streamOf(bytes), { size }))
      scene.wire.corruptAt(length - size / 2, 'up')
      // A stream that fits into memory may be sent again.
      await scene.adapter.put('key', streamOf(bytes), { size }).then(
        () => expectWhole(scene, 'key'),
        (error: unknown) => expectCode(Promise.reject(error), 'integrity', 'unavailable'),
      )
      await expectWholeOrNone(scene, 'key')
    },
  },
  {
    name: 'one byte of a part changed: sent again, and right',
    run: async (scene) => {
      const { multipart } = scene.adapter
      const { uploadId } = await multipart.create('key')
      const length = await sentBy(scene, () => multipart.uploadPart('key', uploadId, 1, bytes))
      scene.wire.corruptAt(length - size / 2, 'up')
      const part = await multipart.uploadPart('key', uploadId, 1, bytes)
      expect(scene.waits.length).toBe(1)
      await multipart.complete('key', uploadId, [part])
      await expectWhole(scene, 'key')
    },
  },
  {
    name: 'the answer to a write lost: written again; a create-only write is not, and left to the caller',
    run: async (scene) => {
      await scene.adapter.put('first', bytes.subarray(0, 10))
      scene.wire.cutAfter(0)
      await scene.adapter.put('key', bytes)
      expect(scene.waits.length).toBe(1)
      await expectWhole(scene, 'key')
      scene.wire.cutAfter(0)
      // Done only for a store that can be asked whether it was this write.
      const outcome = await scene.adapter.put('new', bytes, { ifNoneMatch: '*' }).then(
        () => 'done',
        (error: { code?: string }) => error.code,
      )
      expect(['done', 'unavailable']).toContain(outcome)
      if (outcome === 'done') await expectWhole(scene, 'new')
      await expectWholeOrNone(scene, 'new')
    },
  },
  {
    name: 'the answer to a delete lost: deleted',
    run: async (scene) => {
      await scene.adapter.put('key', bytes)
      scene.wire.cutAfter(0)
      await scene.adapter.delete('key')
      expect(await exists(scene.direct, 'key')).toBe(false)
    },
  },
  {
    name: 'gone while a write waits: written when it is back',
    run: async (scene) => {
      scene.wire.refuse(true)
      scene.atWait = () => {
        if (scene.waits.length === 2) scene.wire.refuse(false)
      }
      await scene.adapter.put('key', bytes)
      expect(scene.waits.length).toBe(2)
      await expectWhole(scene, 'key')
    },
  },
  {
    name: 'given up by the caller while it is stalled: aborted, and no short object',
    run: async (scene) => {
      const control = new AbortController()
      scene.wire.stallAfter(100_000, 'up')
      const put = scene.adapter.put('key', bytes, { signal: control.signal })
      const ended = expectCode(put, 'aborted')
      await expect.poll(() => scene.wire.bytesUp).toBe(100_000)
      control.abort()
      await ended
      await expectWholeOrNone(scene, 'key')
    },
  },
]
