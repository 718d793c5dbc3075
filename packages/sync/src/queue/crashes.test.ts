import { StowageError, type SyncTask } from '@stowage/core'
import { Life, mortal, repeats, seededRandom } from '@stowage/core/testing'
import { expect, it } from 'vitest'
import type { SyncResult } from '../run/index.ts'
import { createTasks } from '../state/index.ts'
import { memoryStore } from '../stores/index.ts'
import { endedAs, fakeOwner, LeapClock, someTask } from '../testing/index.ts'
import { createTaskQueue } from './index.ts'

/** Some work of many tasks by workers that die at any call of the store, and others that take their place. */
class World {
  readonly clock = new LeapClock()
  readonly store = this.clock.on(memoryStore())
  readonly random: ReturnType<typeof seededRandom>
  readonly dead = new Set<number>()
  /** By task: how often a run of it came to its end, and how it ended. */
  readonly finished = new Map<string, string[]>()
  /** By task: the processes that run it now. */
  readonly running = new Map<string, Set<number>>()
  readonly wrong: string[] = []
  readonly perSource = 2
  #pid = 0

  /** Every other one is on a store that writes one record at a time. */
  readonly #alone: boolean

  constructor(seed: number) {
    this.random = seededRandom(seed)
    this.#alone = seed % 2 === 0
  }

  /** One process: works until it dies or is told to stop. */
  async process(calls: number, signal: AbortSignal): Promise<void> {
    const pid = ++this.#pid
    const life = new Life(calls, this.random.next() < 0.5)
    const stop = new AbortController()
    const stopped = AbortSignal.any([signal, stop.signal])
    const { batch: _, ...alone } = mortal(this.store, 'store', life)
    const queue = createTaskQueue({
      store: this.#alone ? alone : mortal(this.store, 'store', life),
      clock: this.clock,
      random: this.random,
      owner: fakeOwner(pid, (other) => !this.dead.has(other)),
    })
    const work = queue.work({
      concurrency: 2,
      perSource: this.perSource,
      signal: stopped,
      run: (task, stopRun) => this.#run(pid, life, task, stopRun),
    })
    while (!stopped.aborted) {
      await new Promise((resolve) => setImmediate(resolve))
      if (!life.dead) continue
      // Nothing that it does from now on has any effect; others see that it is gone.
      this.dead.add(pid)
      for (const at of this.running.values()) at.delete(pid)
      stop.abort()
    }
    await work.catch(() => undefined)
  }

  async #run(pid: number, life: Life, task: SyncTask, signal: AbortSignal): Promise<SyncResult> {
    const at = this.running.get(task.id) ?? new Set()
    this.running.set(task.id, at)
    at.add(pid)
    if (at.size > 1) this.wrong.push(`${task.id} is run by ${[...at].join(' and ')}`)
    this.#countSources()
    const turns = 1 + Math.floor(this.random.next() * 5)
    for (let i = 0; i < turns && !signal.aborted; i++) await new Promise((resolve) => setImmediate(resolve))
    at.delete(pid)
    if (life.dead || signal.aborted) return endedAs(task, 'paused')
    const status = task.sourcePrefix === 'bad/' ? 'failed' : 'success'
    const error = { code: 'access-denied', message: 'no' } as const
    const ends = this.finished.get(task.id) ?? []
    this.finished.set(task.id, [...ends, status])
    if (task.sourcePrefix === 'shaky/' && ends.length === 0) throw new StowageError('unavailable', 'away')
    return endedAs(task, status, status === 'failed' ? { error } : {})
  }

  #countSources(): void {
    for (const [source, ids] of this.#bySource) {
      const busy = ids.filter((id) => (this.running.get(id)?.size ?? 0) > 0)
      if (busy.length > this.perSource) this.wrong.push(`${busy.length} tasks of ${source} run at a time`)
    }
  }

  readonly #bySource = new Map<string, string[]>()

  async fill(count: number): Promise<string[]> {
    const queue = createTaskQueue({ store: this.store, clock: this.clock, random: this.random })
    const ids: string[] = []
    for (let i = 0; i < count; i++) {
      const sourcePrefix = i % 5 === 1 ? 'bad/' : i % 5 === 2 ? 'shaky/' : 'good/'
      const sourceId = `s${i % 3}`
      const priority = Math.floor(this.random.next() * 3)
      const { id } = await queue.enqueue(someTask({ sourceId, targetId: `t${i}`, sourcePrefix, priority }))
      ids.push(id)
      this.#bySource.set(sourceId, [...(this.#bySource.get(sourceId) ?? []), id])
    }
    return ids
  }
}

it('ends every task once, whatever call workers die at', { timeout: repeats(600_000, 900_000) }, async () => {
  for (let seed = 1; seed <= repeats(12, 200); seed++) {
    const world = new World(seed)
    const ids = await world.fill(12)
    const queue = createTaskQueue({ store: world.store, clock: world.clock, random: world.random })
    const stop = new AbortController()
    let deaths = 0
    const post = async (): Promise<void> => {
      while (!stop.signal.aborted) {
        const dies = deaths < 12
        await world.process(dies ? 5 + Math.floor(world.random.next() * 120) : Number.POSITIVE_INFINITY, stop.signal)
        deaths++
      }
    }
    const posts = [post(), post(), post()]
    const tasks = createTasks({ store: world.store, clock: world.clock, random: world.random })
    let left = ids.length
    for (let i = 0; i < 20_000 && left > 0; i++) {
      await new Promise((resolve) => setTimeout(resolve, 1))
      if (i % 10 === 0) world.clock.leap(1000)
      if (i % 50 === 49) await queue.sweep()
      if (i % 10 !== 9) continue
      const states = await Promise.all(ids.map((id) => queue.state(id)))
      left = states.filter((state) => state !== undefined && state.state !== 'dead').length
    }
    stop.abort()
    await Promise.all(posts)
    // What the last of the dead left half done is not seen as dead by this one, so their leases have to run out.
    world.clock.leap(60_000)
    await queue.sweep()
    expect(deaths, `seed ${seed}`).toBeGreaterThan(8)
    expect(world.wrong, `seed ${seed}`).toEqual([])
    expect(await queue.depth(), `seed ${seed}`).toMatchObject({ waiting: 0, running: 0, delayed: 0, paused: 0 })
    const wanted = ids.map((_, i) => (i % 5 === 1 ? 'failed' : 'success'))
    const got = await Promise.all(ids.map(async (id) => (await tasks.get(id))?.status))
    expect(got, `seed ${seed}`).toEqual(wanted)
    // What ended is found under one key alone, and nothing is left over.
    const keys = await world.store.list('queue/')
    const count = (prefix: string) => keys.filter((key) => key.startsWith(prefix)).length
    expect(count('queue/dead/'), `seed ${seed}`).toBe(wanted.filter((status) => status === 'failed').length)
    expect(count('queue/ended/'), `seed ${seed}`).toBe(wanted.filter((status) => status === 'success').length)
    expect(count('queue/entry/'), `seed ${seed}`).toBe(count('queue/dead/'))
  }
})

it('finds what an enqueuer that died left behind, or nothing at all', async () => {
  for (let calls = 1; calls < 12; calls++) {
    for (const effect of [true, false]) {
      const clock = new LeapClock()
      const store = clock.on(memoryStore())
      const life = new Life(calls, effect)
      const dying = createTaskQueue({ store: mortal(store, 'store', life), clock })
      const died = await dying.enqueue(someTask({ key: 'k' })).then(
        () => false,
        () => true,
      )
      const queue = createTaskQueue({ store, clock })
      const again = await queue.enqueue(someTask({ key: 'k' }))
      await queue.sweep()
      expect(await queue.depth(), `${died} ${calls} ${effect}`).toMatchObject({ waiting: 1, delayed: 0 })
      expect(await queue.state(again.id)).toMatchObject({ state: 'waiting' })
    }
  }
})
