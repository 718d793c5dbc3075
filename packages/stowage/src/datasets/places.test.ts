import { Readable } from 'node:stream'
import { Events, readAll, type StorageAdapter, StowageError } from '@stowage/core'
import { FakeClock } from '@stowage/core/testing'
import { describe, expect, it } from 'vitest'
import { firstOf, type Place } from './places.ts'
import type { Patience } from './read/patience.ts'
import { Setbacks } from './read/setbacks.ts'
import { limitsOf } from './read/watched-get.ts'

/** A place that gives its own id, or fails, or says nothing until its signal fires. */
function place(sourceId: string, answer: 'gives' | 'silent' | 'not-found' | (() => Promise<unknown>)) {
  const asked: string[] = []
  let stopped = 0
  const get = async (key: string, { signal }: { signal: AbortSignal }) => {
    asked.push(key)
    if (typeof answer === 'function') await answer()
    if (answer === 'not-found') throw new StowageError('not-found', 'It is gone.')
    if (answer === 'silent') {
      await new Promise((_, reject) => {
        signal.addEventListener('abort', () => {
          stopped++
          reject(signal.reason)
        })
      })
    }
    return { info: {}, body: Readable.from([Buffer.from(sourceId)]) }
  }
  const adapter = { get } as unknown as StorageAdapter
  const one: Place = { sourceId, path: 'p/', adapter: async () => adapter }
  return { ...one, asked, stopped: () => stopped }
}

function patience(clock: FakeClock): Patience & { silent: string[] } {
  const setbacks = new Setbacks(clock)
  const silent: string[] = []
  const onSilent = (id: string) => {
    silent.push(id)
    setbacks.note(id)
  }
  return { limits: limitsOf(2000), clock, setbacks, onSilent, silent }
}

const read = async (_place: Place, bytes: (key: string) => AsyncIterable<Uint8Array>) =>
  String(await readAll(bytes('k'), 100))

async function moving<T>(clock: FakeClock, work: Promise<T>): Promise<T> {
  let isDone = false
  const end = () => {
    isDone = true
  }
  work.then(end, end)
  while (!isDone) {
    await new Promise((resolve) => setImmediate(resolve))
    if (clock.sleeping > 0) await clock.advance(50)
  }
  return work
}

describe('asking places in turn', () => {
  it('leaves one that is silent, lets go of its request, and asks it last for a while', async () => {
    const clock = new FakeClock()
    const patient = patience(clock)
    const events = new Events()
    const asked = { name: 'It', key: 'k', events, patience: patient }
    const [a, b] = [place('a', 'silent'), place('b', 'gives')]
    const began = clock.now()
    expect(await moving(clock, firstOf([a, b], asked, read))).toBe('b')
    expect(clock.now() - began).toBe(1500)
    expect(a.stopped()).toBe(1)
    expect(patient.silent).toEqual(['a'])
    expect(await firstOf([a, b], asked, read)).toBe('b')
    expect(a.asked).toEqual(['p/k'])
    await clock.advance(6000)
    expect(await moving(clock, firstOf([a, b], asked, read))).toBe('b')
    expect(a.asked).toHaveLength(2)
    expect(clock.sleeping).toBe(0)
  })

  it('gives the silent one all the time there is when nothing else is left', async () => {
    const clock = new FakeClock()
    const a = place('a', () => clock.sleep(60_000))
    const bad: string[] = []
    const asked = {
      name: 'It',
      key: 'k',
      events: new Events(),
      patience: patience(clock),
      onBad: (id: string, { code }: { code: string }, key: string) => bad.push(`${id} ${code} ${key}`),
    }
    expect(await moving(clock, firstOf([a, place('b', 'not-found')], asked, read))).toBe('a')
    expect(bad).toEqual(['b not-found k'])
  })

  it('waits for each as long as its own limits do, unless told otherwise', async () => {
    const clock = new FakeClock()
    const asked = { name: 'It', key: 'k', events: new Events() }
    const slow = place('a', () => new Promise((resolve) => setTimeout(resolve, 20)))
    expect(await firstOf([slow, place('b', 'gives')], asked, read)).toBe('a')
    expect(clock.sleeping).toBe(0)
  })

  it('names all that failed', async () => {
    const asked = { name: 'It', key: 'k', events: new Events() }
    const none = firstOf([place('a', 'not-found'), place('b', 'not-found')], asked, read)
    await expect(none).rejects.toMatchObject({ code: 'not-found', sourceId: 'b' })
  })
})
