import { StowageError } from '@stowage/core'
import { expectCode } from '@stowage/core/testing'
import { expect } from 'vitest'
import { keysOf, patternBytes, readBytes } from '../bytes.ts'
import type { FaultCase, Scene } from './scene.ts'

export const size = 300_000
export const bytes: Uint8Array = patternBytes(size)

/** Puts the object past the wire, and finds out how many bytes its reading takes on a connection that is open. */
async function rehearse({ adapter, direct, wire }: Scene, read: () => Promise<Buffer>): Promise<number> {
  await direct.put('key', bytes)
  await adapter.head('key')
  wire.resetCounts()
  await read()
  return wire.bytesDown
}

/** A reading that broke: never fewer bytes without an error, and one that says that it is worth another try. */
async function expectBroken(reading: Promise<Buffer>): Promise<void> {
  const error = await expectCode(reading, 'integrity', 'unavailable')
  expect(error.retryable).toBe(true)
}

/** Afterwards everything is as if nothing had been. */
async function expectWell({ adapter, wire }: Scene): Promise<void> {
  wire.clear()
  expect((await readBytes(adapter, 'key')).equals(bytes)).toBe(true)
}

const breaks = (['cut', 'reset', 'truncate'] as const).map(
  (kind): FaultCase => ({
    name: `${kind} in the middle of an object: integrity or unavailable, never fewer bytes`,
    run: async (scene) => {
      await scene.direct.put('key', bytes)
      scene.wire[`${kind}After`](100_000)
      await expectBroken(readBytes(scene.adapter, 'key'))
      await expectWell(scene)
    },
  }),
)

/** What goes wrong while bytes come. */
export const readingFaults: readonly FaultCase[] = [
  ...breaks,
  {
    name: 'stalled in the middle of an object: timeout',
    waits: true,
    run: async (scene) => {
      await scene.direct.put('key', bytes)
      scene.wire.stallAfter(100_000)
      await expectCode(readBytes(scene.adapter, 'key'), 'timeout')
      await expectWell(scene)
    },
  },
  {
    name: 'stalled before an answer: timeout after as many attempts as allowed',
    waits: true,
    run: async (scene) => {
      await scene.direct.put('key', bytes)
      scene.wire.stallAfter(0, 'down', 10)
      const error = await expectCode(scene.adapter.head('key'), 'timeout')
      expect(error.retryable).toBe(true)
      expect(scene.waits.length).toBe(2)
      await expectWell(scene)
    },
  },
  {
    name: 'slow, but never silent: no timeout',
    waits: 6000,
    run: async (scene) => {
      await scene.direct.put('key', bytes)
      // More than seven seconds in all.
      scene.wire.throttle(40_000)
      expect((await readBytes(scene.once, 'key')).equals(bytes)).toBe(true)
    },
  },
  {
    name: 'one byte of an object changed: found',
    run: async (scene) => {
      const length = await rehearse(scene, () => readBytes(scene.adapter, 'key'))
      scene.wire.corruptAt(length - size / 2)
      await expectBroken(readBytes(scene.adapter, 'key'))
      await expectWell(scene)
    },
  },
  {
    name: 'one byte of a status line changed: asked again',
    run: async (scene) => {
      await rehearse(scene, () => readBytes(scene.adapter, 'key'))
      scene.wire.corruptAt(2)
      expect((await readBytes(scene.adapter, 'key')).equals(bytes)).toBe(true)
      expect(scene.waits.length).toBe(1)
    },
  },
  {
    name: 'cut in a listing: asked again, and complete',
    run: async (scene) => {
      const keys = Array.from({ length: 20 }, (_, i) => `k${String(i).padStart(2, '0')}`)
      for (const key of keys) await scene.direct.put(key, bytes.subarray(0, 10))
      scene.wire.cutAfter(1500)
      expect(await keysOf(scene.adapter, {})).toEqual(keys)
      expect(scene.waits.length).toBe(1)
    },
  },
  {
    name: 'reset when connecting: asked again',
    run: async (scene) => {
      await scene.direct.put('key', bytes)
      scene.wire.refuse(true)
      scene.atWait = () => scene.wire.refuse(false)
      expect((await scene.adapter.head('key')).size).toBe(size)
      expect(scene.waits.length).toBe(1)
    },
  },
  {
    name: 'gone: unavailable after as many attempts as allowed, and well again when it comes back',
    run: async (scene) => {
      await scene.direct.put('key', bytes)
      await scene.adapter.head('key')
      await scene.wire.stop()
      for (const call of [() => scene.adapter.head('key'), () => keysOf(scene.adapter, {})]) {
        scene.waits.length = 0
        const error = await expectCode(call(), 'unavailable')
        expect(error.retryable).toBe(true)
        expect(scene.waits.length).toBe(2)
      }
    },
  },
  {
    name: 'an object cut short by somebody who sets the length right: found',
    run: async ({ direct, through }) => {
      const { adapter, between } = await through()
      await direct.put('key', bytes)
      for (const cut of [size - 1, 10, 0]) {
        between.changeNext((answer) => ({
          ...answer,
          headers: { ...answer.headers, 'content-length': String(cut) },
          body: answer.body.subarray(0, cut),
        }))
        const error = await readBytes(adapter, 'key').catch((thrown: unknown) => thrown)
        expect(StowageError.isInstance(error) && error.code, `cut at ${cut}`).toBe('integrity')
      }
    },
  },
  {
    name: 'a listing cut short by somebody who sets the length right: an error, never fewer keys',
    run: async ({ direct, through }) => {
      const { adapter, between } = await through()
      for (const key of ['a', 'b', 'c']) await direct.put(key, bytes.subarray(0, 10))
      between.changeNext(({ status, headers, body }) => {
        const half = body.subarray(0, body.length >> 1)
        return { status, headers: { ...headers, 'content-length': String(half.length) }, body: half }
      }, 10)
      await expectCode(keysOf(adapter, {}), 'unavailable')
    },
  },
  {
    name: 'headers that come one byte at a time, for longer than the deadline: timeout',
    waits: true,
    run: async ({ through }) => {
      const { adapter, between } = await through()
      const headers = { 'content-length': '5', etag: '"e"', 'x-filler': 'x'.repeat(500) }
      between.answerNext({ status: 200, headers, body: Buffer.from('bytes'), pauseMs: 10 }, 10)
      await expectCode(adapter.head('key'), 'timeout')
    },
  },
  {
    name: '503 with Retry-After: waits as long as it says',
    run: async ({ direct, through, waits }) => {
      const { adapter, between } = await through()
      await direct.put('key', bytes)
      between.answerNext({ status: 503, headers: { 'retry-after': '2' }, body: Buffer.of() })
      expect((await readBytes(adapter, 'key')).equals(bytes)).toBe(true)
      between.answerNext({ status: 503, headers: { 'retry-after': '3' }, body: Buffer.of() })
      await adapter.put('key', bytes)
      expect(waits).toEqual([2000, 3000])
    },
  },
]
