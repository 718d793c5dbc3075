import { Readable } from 'node:stream'
import { readAll } from '@stowage/core'
import { expectCode, FakeClock } from '@stowage/core/testing'
import { expect, it } from 'vitest'
import { memory } from '../memory/index.ts'
import { type MeteredCall, meter, readOnly } from './index.ts'

function metered() {
  const clock = new FakeClock()
  const calls: MeteredCall[] = []
  const adapter = meter(memory({ id: 'm', pageSize: 1 }), { onCall: (call) => calls.push(call), clock })
  const short = (): string[] =>
    calls.splice(0).map(({ operation, code, bytesUp, bytesDown }) => `${operation} ${code} ${bytesUp} ${bytesDown}`)
  return { adapter, clock, calls, short }
}

it('tells of every call with its bytes and its end', async () => {
  const { adapter, short } = metered()
  await adapter.put('a', Buffer.alloc(100))
  await adapter.put('b', Readable.from([Buffer.alloc(70), Buffer.alloc(30)]), { size: 100 })
  await readAll((await adapter.get('a', { range: { start: 10, length: 50 } })).body, 100)
  await expectCode(adapter.head('none'), 'not-found')
  for await (const _page of adapter.list()) {
    // Each page is a call.
  }
  const { uploadId } = await adapter.multipart.create('c')
  const part = await adapter.multipart.uploadPart('c', uploadId, 1, Buffer.alloc(10))
  await adapter.multipart.complete('c', uploadId, [part])
  await adapter.probe()
  expect(short()).toEqual([
    'put ok 100 0',
    'put ok 100 0',
    'get ok 0 50',
    'head not-found 0 0',
    'list ok 0 0',
    'list ok 0 0',
    'multipart.create ok 0 0',
    'multipart.uploadPart ok 10 0',
    'multipart.complete ok 0 0',
    'probe ok 0 0',
  ])
})

it('ends a read when its body ends, also in the middle, and names no key', async () => {
  const { adapter, clock, calls } = metered()
  await adapter.put('secret-name', Buffer.alloc(1_000_000))
  const { body } = await adapter.get('secret-name')
  await clock.advance(250)
  body.destroy()
  await clock.advance(0)
  const call = calls.at(-1)
  expect(call).toMatchObject({ sourceId: 'm', operation: 'get', kind: 'read', ms: 0, totalMs: 250, code: 'ok' })
  expect(call?.bytesDown).toBeLessThan(1_000_000)
  expect(JSON.stringify(calls)).not.toContain('secret-name')
})

it('tells of a write that failed with what had gone up', async () => {
  const { adapter, short } = metered()
  await expectCode(adapter.put('a', Readable.from([Buffer.alloc(10)]), { size: 20 }), 'integrity')
  await expectCode(adapter.put('b', Buffer.alloc(10), { ifMatch: 'x' }), 'precondition-failed')
  expect(short()).toEqual(['put integrity 10 0', 'put precondition-failed 0 0'])
})

it('read only refuses what writes, and says so', async () => {
  const inner = memory({ id: 'm' })
  await inner.put('a', Buffer.from('x'))
  const adapter = readOnly(inner)
  expect(adapter.capabilities).toMatchObject({ readOnly: true, multipart: false, presignedWrites: 'none' })
  const writes: (() => Promise<unknown>)[] = [
    () => adapter.put('b', Buffer.from('x')),
    () => adapter.delete('a'),
    () => adapter.deleteMany(['a']),
    () => adapter.copy('a', 'b'),
    () => adapter.multipart.create('b'),
    () => adapter.multipart.list('b'),
    () => adapter.presign({ method: 'put', key: 'b', expiresIn: 60 }),
    () => adapter.restore('a', { days: 1 }),
  ]
  for (const write of writes) {
    expect(await expectCode(write(), 'not-supported')).toMatchObject({ field: 'readOnly' })
  }
  expect((await adapter.head('a')).size).toBe(1)
  const probe = await adapter.probe()
  expect(probe).toMatchObject({ ok: true, checks: [{ name: 'read', ok: true }] })
  expect(probe.writable).toBeUndefined()
  expect(await memory({ id: 'n', readOnly: true }).probe()).toMatchObject({ ok: true })
})
