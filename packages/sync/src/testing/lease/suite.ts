import { type Random, StowageError, type SyncStore } from '@stowage/core'
import { FakeClock, Life, mortal, seededRandom } from '@stowage/core/testing'
import { describe, expect, it } from 'vitest'
import { LEASE_MS, Lease, type LeasedRecord, type Owner, readRecord, writeRecord } from '../../state/index.ts'
import { memoryStore } from '../../stores/index.ts'
import { fakeOwner } from '../fixtures.ts'

/** A kind of record that is held under a lease, to the contract suite. */
export interface LeaseSuite<T> {
  /** What the tests are called. */
  name: string
  record(random: Random): LeasedRecord<T>
  /** A record that nobody has worked on yet. */
  empty(): T
  /** A number in it that the work counts up, and the value with another one. */
  stamp: { of(value: T): number; with(value: T, stamp: number): T }
}

const never = new AbortController().signal

const far: Owner = { identity: { host: 'far', bootId: 'far', pid: 1, startTime: '1' }, isDead: () => false }

/**
 * What holds for every record under a {@link Lease}, as tests. Call it at the top of a test file.
 *
 * @example
 * ```ts
 * testLease({ name: 'of a pair', record: () => pairRecord('pair/x'), empty: emptyPair, stamp })
 * ```
 */
export function testLease<T>(suite: LeaseSuite<T>): void {
  const { name, empty, stamp } = suite

  function world() {
    const clock = new FakeClock()
    const store = memoryStore({ clock })
    let seed = 0
    /** Takes the record as another process does. */
    const take = async (owner: Owner, own: SyncStore = store): Promise<Lease<T> | undefined> => {
      const random = seededRandom(++seed)
      const options = { records: { store: own, clock, random }, record: suite.record(random), owner, what: 'it' }
      return await driven(Lease.take(options, (found) => found ?? empty(), never))
    }
    /** Lets time pass until something is done: what a store fails at is tried again later. */
    const driven = async <R>(work: Promise<R>): Promise<R> => {
      let over = false
      const end = work.finally(() => {
        over = true
      })
      end.catch(() => undefined)
      for (let i = 0; i < 500 && !over; i++) await clock.advance(i < 50 ? 0 : 100)
      return await end
    }
    const taken = async (owner: Owner, own?: SyncStore): Promise<Lease<T>> => {
      const lease = await take(owner, own)
      if (lease === undefined) throw new Error('It was not taken.')
      return lease
    }
    const there = async (): Promise<T | undefined> => {
      const record = suite.record(seededRandom(99))
      const found = await store.get(record.key)
      return found && record.decode(found.value)
    }
    /** Somebody who does not want the lease changes the record. */
    const meddle = async (change: (value: T) => T): Promise<void> => {
      const random = seededRandom(++seed)
      const [record, records] = [suite.record(random), { store, clock, random }]
      const found = await readRecord(records, record.key, never)
      if (found === undefined) throw new Error('There is no record.')
      const value = record.decode(found.value)
      const next = record.withLease(change(value), record.leaseOf(value) ?? null)
      await writeRecord(records, record.key, record.encode(next), found.revision, never)
    }
    return { clock, store, take, taken, there, meddle, driven }
  }

  const plus = (value: T): T => stamp.with(value, stamp.of(value) + 1)
  const living = (pid: number): Owner => fakeOwner(pid, () => true)

  describe(`lease: ${name}`, () => {
    it('is had by one, who keeps it as long as it lives, and by the next once it is given back', async () => {
      const { clock, taken, take, there } = world()
      const one = await taken(living(1))
      await one.commit(plus)
      await clock.advance(20 * LEASE_MS)
      one.check()
      expect(one.signal.aborted).toBe(false)
      expect(await take(living(2))).toBeUndefined()
      expect(await take(far)).toBeUndefined()
      await one.release(plus)
      expect(stamp.of((await there()) as T)).toBe(2)
      const two = await taken(far)
      expect(stamp.of(two.value)).toBe(2)
      await two.abandon()
      expect(clock.sleeping).toBe(0)
    })

    it('of a dead process goes to one of its machine at once, and to one of another when it has run out', async () => {
      const { clock, taken, take } = world()
      const dead = await taken(living(1))
      await dead.abandon()
      expect(await take(living(2))).toBeUndefined()
      expect(await take(far)).toBeUndefined()
      const two = await taken(fakeOwner(2, () => false))
      await two.abandon()
      await clock.advance(LEASE_MS - 2000)
      expect(await take(far)).toBeUndefined()
      await clock.advance(2000)
      await (await taken(far)).abandon()
    })

    it('that was taken over tells so, and lets nothing more be written', async () => {
      const { clock, taken, there, driven } = world()
      const one = await taken(living(1))
      const two = await taken(fakeOwner(2, () => false))
      await two.commit(plus)
      await expect(one.commit(plus)).rejects.toMatchObject({ code: 'lease-lost' })
      expect(one.signal.reason).toMatchObject({ code: 'lease-lost', message: 'Another process took it over.' })
      expect(() => one.check()).toThrow(expect.objectContaining({ code: 'lease-lost' }))
      await expect(one.release(plus)).rejects.toMatchObject({ code: 'lease-lost' })
      expect(stamp.of((await there()) as T)).toBe(1)
      const three = await taken(fakeOwner(3, () => false))
      // Nobody tells it: it finds out by itself.
      await clock.advance(LEASE_MS / 3)
      expect(two.signal.aborted).toBe(true)
      await driven(three.release())
      await Promise.all([one, two].map((lease) => lease.abandon()))
      expect(clock.sleeping).toBe(0)
    })

    it('that cannot be renewed is over for its owner before anybody else can have it', async () => {
      const { clock, store, taken, take } = world()
      let away = false
      const own = new Proxy(store, {
        get: (target, property: Exclude<keyof SyncStore, 'batch'>) => {
          if (!away || property !== 'put') return target[property].bind(target)
          return () => Promise.reject(new StowageError('unavailable', 'down'))
        },
      })
      const one = await taken(living(1), own)
      away = true
      for (let left = LEASE_MS; left > 0; left -= 500) {
        expect(await take(far)).toBeUndefined()
        await clock.advance(500)
      }
      expect(one.signal.reason).toMatchObject({ code: 'lease-lost' })
      await (await taken(far)).abandon()
      await one.abandon()
    })

    it('survives a store that is away for a while', async () => {
      const { clock, store, taken, take } = world()
      let away = false
      const own = new Proxy(store, {
        get: (target, property: Exclude<keyof SyncStore, 'batch'>) => {
          if (!away) return target[property].bind(target)
          return () => Promise.reject(new StowageError('unavailable', 'down'))
        },
      })
      const one = await taken(living(1), own)
      for (let outage = 0; outage < 20; outage++) {
        away = true
        await clock.advance(9000)
        away = false
        await clock.advance(7000)
        expect(await take(far)).toBeUndefined()
      }
      expect(one.signal.aborted).toBe(false)
      await one.abandon()
    })

    it('knows of a write whose answer was lost', async () => {
      const { clock, store, taken, there, driven } = world()
      let lose = false
      const own = new Proxy(store, {
        get: (target, property: Exclude<keyof SyncStore, 'batch'>) => {
          if (property !== 'put') return target[property].bind(target)
          return async (...args: Parameters<SyncStore['put']>) => {
            const revision = await target.put(...args)
            if (lose) throw new StowageError('timeout', 'no answer')
            return revision
          }
        },
      })
      lose = true
      const one = await taken(living(1), own)
      await driven(one.commit(plus))
      lose = false
      await one.commit(plus)
      await one.release(plus)
      expect(stamp.of((await there()) as T)).toBe(3)
      expect(clock.sleeping).toBe(0)
    })

    it('loses nothing that others write to the record meanwhile', async () => {
      const { clock, taken, there, meddle } = world()
      const one = await taken(living(1))
      await meddle((value) => stamp.with(value, 100))
      await one.commit(plus)
      await meddle((value) => stamp.with(value, 200))
      await clock.advance(2 * LEASE_MS)
      one.check()
      await one.release(plus)
      expect(stamp.of((await there()) as T)).toBe(201)
    })

    it('that a clock gave which was wrong holds nobody up', async () => {
      const { clock, taken } = world()
      const now = clock.now()
      clock.set(now + 400 * 86_400_000)
      const one = await taken(living(1))
      await one.abandon()
      clock.set(now)
      await (await taken(far)).abandon()
    })

    it('ends with its record when that is removed, unless somebody wrote to it', async () => {
      const { taken, there, meddle, take } = world()
      const one = await taken(living(1))
      expect(await one.remove()).toBe(true)
      expect(await there()).toBeUndefined()
      const two = await taken(living(2))
      await meddle(plus)
      expect(await two.remove()).toBe(false)
      expect(stamp.of((await there()) as T)).toBe(1)
      expect(await take(living(3))).toBeUndefined()
    })

    it.each([
      ['before that has an effect', false],
      ['after that had one', true],
    ] as const)('outlives a process that dies at any call of the store, %s', async (_, effect) => {
      for (let call = 1; ; call++) {
        const { clock, store, take, taken, there, driven } = world()
        const life = new Life(call, effect)
        let said = 0
        let asked = 0
        const live = async (lease: Lease<T> | undefined): Promise<void> => {
          const step = async (work: (change: (value: T) => T) => Promise<unknown>): Promise<void> => {
            asked++
            await work(plus)
            said++
          }
          if (lease === undefined) return
          try {
            await step((change) => lease.commit(change))
            await step((change) => lease.commit(change))
            await clock.sleep(LEASE_MS / 2)
            await step((change) => lease.commit(change))
            await step((change) => lease.release(change))
          } finally {
            await lease.abandon()
          }
        }
        const own = mortal(store, 'store', life)
        await driven(
          take(living(1), own)
            .then(live)
            .catch((error: unknown) => {
              if (!life.dead) throw error
            }),
        )
        const note = `killed at call ${call}: ${life.last}`
        const found = await there()
        const reached = found === undefined ? 0 : stamp.of(found)
        expect(reached, note).toBeGreaterThanOrEqual(said)
        expect(reached, note).toBeLessThanOrEqual(asked)
        const isHeld = found !== undefined && suite.record(seededRandom(1)).leaseOf(found) != null
        if (isHeld) {
          expect(await take(living(2)), note).toBeUndefined()
          expect(await take(far), note).toBeUndefined()
        }
        const next = await taken(fakeOwner(2, (pid) => pid !== 1))
        expect(stamp.of(next.value), note).toBe(reached)
        await next.commit(plus)
        await next.release(plus)
        expect(stamp.of((await there()) as T), note).toBe(reached + 2)
        expect(clock.sleeping, note).toBe(0)
        if (life.dead) continue
        expect(call).toBeGreaterThan(12)
        break
      }
    })
  })
}
