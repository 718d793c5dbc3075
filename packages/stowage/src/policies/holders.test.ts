import { openCatalog } from '@stowage/catalog'
import { encodeRecord, StowageError, systemRandom } from '@stowage/core'
import { FakeClock } from '@stowage/core/testing'
import { processOwner } from '@stowage/sync'
import { expect, it, vi } from 'vitest'
import { Holders } from './holders.ts'
import { policyKeys } from './policy-records.ts'
import { Records } from './records.ts'

const own = processOwner.identity
const entry = { id: 7, attempts: 2 }

it.each<[string, Partial<typeof own> | undefined, boolean]>([
  ['this process', {}, false],
  ['a dead process of this machine', { startTime: 'never' }, true],
  ['a process of another machine', { host: 'elsewhere', startTime: 'never' }, false],
  ['nobody', undefined, false],
])('of what %s is at is given back what nobody lives for', async (_, who, isBack) => {
  const clock = new FakeClock()
  const catalog = await openCatalog({ type: 'memory' }, { clock })
  const records = new Records({ store: catalog.sync, clock, random: systemRandom })
  const releaseOutbox = vi.fn(() => Promise.resolve())
  const holders = new Holders(records, { releaseOutbox })
  await holders.begin(entry)
  if (who === undefined) await holders.end(entry)
  else await records.write(`${policyKeys.holders}7`, { ...entry, owner: { ...own, ...who } })
  await holders.giveBack()
  expect(releaseOutbox.mock.calls).toMatchObject(isBack ? [[entry]] : [])
  expect(await records.list(policyKeys.holders, { limit: 10 })).toHaveLength(isBack || who === undefined ? 0 : 1)
  await catalog.close()
})

it('a record that cannot be read, as of a newer version, keeps nobody from the others', async () => {
  const clock = new FakeClock()
  const catalog = await openCatalog({ type: 'memory' }, { clock })
  const records = new Records({ store: catalog.sync, clock, random: systemRandom })
  const releaseOutbox = vi.fn(() => Promise.resolve())
  await catalog.sync.put(`${policyKeys.holders}1`, encodeRecord({ value: {} }, 2), null)
  await catalog.sync.put(`${policyKeys.holders}2`, Buffer.from('{'), null)
  await records.write(`${policyKeys.holders}7`, { ...entry, owner: { ...own, startTime: 'never' } })
  await new Holders(records, { releaseOutbox }).giveBack()
  expect(releaseOutbox.mock.calls).toMatchObject([[entry]])
  await catalog.close()
})

it('records that cannot be written or read stop no publication', async () => {
  const clock = new FakeClock()
  const fail = () => Promise.reject(new StowageError('access-denied', 'no'))
  const store = { now: fail, get: fail, put: fail, delete: fail, list: fail, close: fail }
  const holders = new Holders(new Records({ store, clock, random: systemRandom }), { releaseOutbox: fail })
  await holders.giveBack()
  await holders.begin(entry)
  await holders.end(entry)
})
