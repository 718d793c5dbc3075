import { Events, readExactly, type SourceCall } from '@stowage/core'
import { FakeClock } from '@stowage/core/testing'
import { expect, it } from 'vitest'
import { parseConfig } from '../config/index.ts'
import { openAdapter } from './open-adapter.ts'

it('keeps to the limits of a source, and tells of its calls to who listens', async () => {
  const clock = new FakeClock()
  const events = new Events()
  const limits = { concurrency: 1, bandwidth: { down: 64 * 1024 } }
  const adapter = await openAdapter({ id: 'm', type: 'memory', limits }, { clock, events })
  await adapter.put('a', Buffer.alloc(128 * 1024))
  const calls: SourceCall[] = []
  const off = events.on('source.call', (call) => calls.push(call))
  const { body } = await adapter.get('a')
  let done = false
  const read = readExactly(body, 128 * 1024).then(() => {
    done = true
  })
  await clock.advance(999)
  expect(done).toBe(false)
  await clock.advance(1)
  await read
  await clock.advance(0)
  expect(calls).toEqual([
    {
      sourceId: 'm',
      operation: 'get',
      kind: 'read',
      ms: 0,
      totalMs: expect.any(Number),
      bytesUp: 0,
      bytesDown: 128 * 1024,
      code: 'ok',
    },
  ])
  off()
  await adapter.head('a')
  expect(calls).toHaveLength(1)
})

it('refuses limits that are none, and takes a source that is read only', async () => {
  const sources = [{ id: 'm', type: 'memory' as const, readOnly: true }]
  expect(parseConfig({ sources }).sources[0]?.readOnly).toBe(true)
  for (const limits of [{ concurrency: 0 }, { bandwidth: { up: 0 } }, { bandwidth: { sideways: 1 } }]) {
    const wrong = { sources: [{ id: 'm', type: 'memory' as const, limits }] }
    expect(() => parseConfig(wrong as never)).toThrow(/limits/)
  }
  const adapter = await openAdapter(sources[0] as never, { clock: new FakeClock(), events: new Events() })
  await expect(adapter.put('a', Buffer.from('x'))).rejects.toMatchObject({ code: 'not-supported' })
})
