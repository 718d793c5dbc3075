import { Events, StowageError, type SyncTask } from '@stowage/core'
import { expect, it, onTestFinished, vi } from 'vitest'
import type { SyncResult } from '../run/index.ts'
import { memoryStore } from '../stores/index.ts'
import { endedAs, fakeOwner, LeapClock, someTask } from '../testing/index.ts'
import { createTaskQueue, type Hands, type WorkOptions } from './index.ts'

function setup() {
  const clock = new LeapClock()
  const store = clock.on(memoryStore())
  const alerts: string[] = []
  let pid = 0
  /** Another process. */
  const work = (concurrency: number, run: WorkOptions['run']) => {
    const events = new Events()
    events.on('alert', ({ message }) => alerts.push(message))
    const queue = createTaskQueue({ store, clock, events, owner: fakeOwner(++pid, () => true) })
    const stop = new AbortController()
    const done = queue.work({ concurrency, signal: stop.signal, run })
    onTestFinished(async () => {
      stop.abort()
      await done
    })
    return queue
  }
  /** Waits while time passes quickly. */
  const until = (what: () => unknown) =>
    vi.waitFor(
      async () => {
        clock.leap(500)
        await what()
      },
      { timeout: 120_000, interval: 10 },
    )
  return { clock, store, alerts, work, until }
}

/** Work on tasks that have partitions for others and do not end by themselves. */
async function large(task: SyncTask, signal: AbortSignal, hands: Hands): Promise<SyncResult> {
  hands.onPartitions(3)
  await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
  return endedAs(task, 'paused')
}

it('what is wrong with one task holds up the help for no other, and is told once a minute', async () => {
  const { alerts, store, work, until, clock } = setup()
  const queue = work(3, large)
  const ids: string[] = []
  for (const _ of 'abc') ids.push((await queue.enqueue(someTask())).id)
  await until(async () => expect(await store.list('queue/help/')).toHaveLength(3))
  const asked: string[] = []
  const helped = new Set<string>()
  work(1, async (task, _, { join }) => {
    if (!join) return endedAs(task, 'paused')
    asked.push(task.id)
    if (task.id === ids[0]) throw new StowageError('lease-held', 'It was asked for something else.')
    if (task.id === ids[1]) throw new StowageError('internal', 'broken')
    helped.add(task.id)
    return endedAs(task, 'helped')
  })
  await until(() => expect(helped).toContain(ids[2]))
  await until(() => expect(asked.filter((id) => id === ids[2]).length).toBeGreaterThan(3))
  const told = () => alerts.filter((message) => message.includes('could not be helped'))
  expect(told()).toEqual(['A task could not be helped: broken'])
  expect(asked.filter((id) => id === ids[0])).toHaveLength(1)
  clock.leap(60_000)
  await until(() => expect(told()).toHaveLength(2))
})

it('invitations of workers that are gone, and of ended tasks, are thrown away; those of newer workers are left alone', async () => {
  const { store, alerts, work, until } = setup()
  const queue = work(2, large)
  const { id: newer } = await queue.enqueue(someTask())
  const { id } = await queue.enqueue(someTask())
  await until(async () => expect(await store.list('queue/help/')).toHaveLength(2))
  await store.put('queue/help/gone.3', Buffer.from('{"format":1}'), null)
  await store.put(`queue/help/${id}.1`, Buffer.from('{"format":1}'), null)
  const key = `queue/entry/${newer}`
  const found = await store.get(key)
  const text = Buffer.from(found?.value ?? []).toString()
  await store.put(key, Buffer.from(text.replace('"format":1', '"format":99')), found?.revision ?? null)
  const asked: string[] = []
  work(1, async (task, _, { join }) => {
    if (join) asked.push(task.id)
    return endedAs(task, join ? 'helped' : 'paused')
  })
  await until(() => expect(asked.length).toBeGreaterThan(2))
  expect(new Set(asked)).toEqual(new Set([id]))
  const left = await store.list('queue/help/')
  expect(left.filter((name) => name.endsWith('gone.3') || name.endsWith(`${id}.1`))).toEqual([])
  expect(alerts.filter((message) => message.includes('help'))).toEqual([])
})

it('an invitation that could not be written is written when more partitions wait', async () => {
  const { clock, store, alerts, work, until } = setup()
  let failing = true
  const put = store.put.bind(store)
  store.put = async (key, value, expected) => {
    if (failing && key.startsWith('queue/help/')) throw new StowageError('access-denied', 'No.')
    return await put(key, value, expected)
  }
  let more = (_: number): void => undefined
  const queue = work(1, async (task, signal, hands) => {
    more = hands.onPartitions
    return await large(task, signal, hands)
  })
  await queue.enqueue(someTask())
  await until(() => expect(alerts.join()).toContain('could not be asked to help'))
  expect(await store.list('queue/help/')).toEqual([])
  failing = false
  more(4)
  await until(async () => expect(await store.list('queue/help/')).toHaveLength(1))
  clock.leap(1)
})
