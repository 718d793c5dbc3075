import { StowageError } from '@stowage/core'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Stowage } from '../app/stowage.ts'
import type { PolicyConfig } from '../config/index.ts'
import { openWorld, type World } from './testing.ts'

const inward: PolicyConfig = { id: 'inward', on: 'publish', from: '*', to: 'b' }

let world: World
/** Writes of the file to the target that were begun. */
let writes: number

beforeEach(async () => {
  world = await openWorld(Date.UTC(2026, 0, 1))
  writes = 0
  const { put } = world.b
  // The first one takes hours, unless it is given up.
  world.b.put = async (key, body, options) => {
    if (key.endsWith('/f') && ++writes === 1) await world.clock.sleep(10_000_000, options?.signal)
    return await put.call(world.b, key, body, options)
  }
})
afterEach(() => world.close())

/** A process that is in the middle of a long copy of what it published. */
async function copying(): Promise<{ stowage: Stowage; id: string }> {
  const stowage = await world.open([inward])
  const cats = await stowage.as({ userId: 'ada', userType: 'external' }).datasets.create({ name: 'cats' })
  const { draft } = await cats.draft()
  await draft.put('f', Buffer.from('cats'))
  await cats.publish(draft)
  await world.until(() => writes === 1)
  return { stowage, id: cats.id }
}

async function closed(stowage: Stowage): Promise<void> {
  const closing = stowage.close()
  await world.pass(1000)
  await closing
}

const isThere = async (id: string): Promise<boolean> =>
  (await world.catalog.datasets.listReplicas(id)).some(({ sourceId, status }) => sourceId === 'b' && status === 'ready')

describe('a publication whose copy takes long', () => {
  it('is left to who is at it, and taken up by who waits when that one ends', async () => {
    const { stowage, id } = await copying()
    await world.open([inward])
    await world.pass(150_000)
    expect(await world.catalog.datasets.outboxHeldFor()).toBeGreaterThan(30_000)
    expect(await world.catalog.datasets.takeOutbox(1, 1)).toEqual([])
    await closed(stowage)
    expect(await isThere(id)).toBe(false)
    await world.until(() => isThere(id), 70_000)
    expect(await world.catalog.datasets.takeOutbox(1, 1)).toEqual([])
    expect(writes).toBe(2)
    expect(world.alerts).toEqual([])
  })

  it('is waited for again by who took it when it could not be held on', async () => {
    world.catalog.datasets.extendOutbox = () => Promise.reject(new StowageError('unavailable', 'down'))
    const { stowage, id } = await copying()
    await world.open([inward])
    await world.pass(150_000)
    expect(writes).toBe(1)
    await closed(stowage)
    expect(await isThere(id)).toBe(false)
    await world.until(() => isThere(id), 40_000)
    expect(await world.catalog.datasets.takeOutbox(1, 1)).toEqual([])
    expect(world.alerts).toEqual([])
  })
})
