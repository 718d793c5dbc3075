import { testKey } from '@stowage/test-support'
import { expect, test } from 'vitest'
import { StowageError } from '../errors/index.ts'
import { expectCode } from '../testing/index.ts'
import { type DataKeyRow, type DataKeyStore, localMasterKey, openVault, rewrapAll, type Vault } from './index.ts'

const keys = [1, 2].map((version) => localMasterKey(version, testKey(`rewrap ${version}`)))
const name = ({ sourceId, slot }: Pick<DataKeyRow, 'sourceId' | 'slot'>): string => `${sourceId} ${slot}`

function vaultOf(...versions: number[]): Promise<Vault> {
  return openVault({ catalogId: 'c', keys: keys.filter(({ version }) => versions.includes(version)) })
}

class Rows implements DataKeyStore {
  readonly rows = new Map<string, DataKeyRow>()
  swaps = 0
  /** Called before each swap. */
  before: (row: DataKeyRow) => void | Promise<void> = () => {}

  async listDataKeys(options: { after?: Pick<DataKeyRow, 'sourceId' | 'slot'>; limit: number }): Promise<DataKeyRow[]> {
    const { after, limit } = options
    const sorted = [...this.rows].sort(([a], [b]) => (a < b ? -1 : 1))
    return sorted
      .filter(([id]) => after === undefined || id > name(after))
      .slice(0, limit)
      .map(([, row]) => ({ ...row }))
  }

  async swapDataKey(row: DataKeyRow, dataKey: Uint8Array): Promise<boolean> {
    await this.before(row)
    const there = this.rows.get(name(row))
    if (there === undefined || !Buffer.from(there.dataKey).equals(row.dataKey)) return false
    this.swaps++
    there.dataKey = dataKey
    return true
  }
}

async function filled(count: number, vault: Vault): Promise<Rows> {
  const rows = new Rows()
  for (let i = 0; i < count; i++) {
    const row: DataKeyRow = { sourceId: `s${i}`, slot: i % 3 === 0 ? 'next' : 'current', dataKey: new Uint8Array() }
    rows.rows.set(name(row), { ...row, dataKey: (await vault.seal(row.sourceId, { a: 'x' })).dataKey })
  }
  return rows
}

async function allUnder(rows: Rows, vault: Vault): Promise<boolean> {
  for (const row of rows.rows.values()) if ((await vault.rewrap(row.sourceId, row.dataKey)) !== undefined) return false
  return true
}

test('all rows come under the newest key; a second run finds nothing to do', async () => {
  const rows = await filled(250, await vaultOf(1))
  expect(await rewrapAll(rows, await vaultOf(1, 2))).toEqual({ rewrapped: 250, current: 0, failed: [] })
  expect(await allUnder(rows, await vaultOf(2))).toBe(true)
  expect(await rewrapAll(rows, await vaultOf(1, 2))).toEqual({ rewrapped: 0, current: 250, failed: [] })
  expect(rows.swaps).toBe(250)
})

test('stopped after any row, the next run does the rest and nothing twice', async () => {
  const vault = await vaultOf(1, 2)
  for (let stop = 1; stop <= 7; stop++) {
    const rows = await filled(7, await vaultOf(1))
    const controller = new AbortController()
    let seen = 0
    const onRow = (): void => {
      if (++seen === stop) controller.abort()
    }
    if (stop < 7) await expectCode(rewrapAll(rows, vault, { signal: controller.signal, onRow }), 'aborted')
    else await rewrapAll(rows, vault, { signal: controller.signal, onRow })
    expect(await rewrapAll(rows, vault)).toEqual({ rewrapped: 7 - stop, current: stop, failed: [] })
    expect(rows.swaps).toBe(7)
  }
})

test('a row that is changed meanwhile by an older process is wrapped in another pass', async () => {
  const [old, vault] = [await vaultOf(1), await vaultOf(1, 2)]
  const rows = await filled(3, old)
  rows.before = async ({ sourceId }) => {
    rows.before = () => {}
    for (const row of rows.rows.values()) {
      if (row.sourceId === sourceId) row.dataKey = (await old.seal(sourceId, { a: 'y' })).dataKey
    }
  }
  expect(await rewrapAll(rows, vault)).toEqual({ rewrapped: 3, current: 0, failed: [] })
  expect(await allUnder(rows, await vaultOf(2))).toBe(true)
})

test('rows that keep changing end it, with what was done kept', async () => {
  const [old, vault] = [await vaultOf(1), await vaultOf(1, 2)]
  const rows = await filled(3, old)
  rows.before = async (row) => {
    const there = rows.rows.get(name(row))
    if (there !== undefined && row.sourceId === 's1') there.dataKey = (await old.seal('s1', { a: 'y' })).dataKey
  }
  await expectCode(rewrapAll(rows, vault), 'conflict')
  expect(rows.swaps).toBe(2)
})

test('a row that does not open is reported and left; the others are done', async () => {
  const rows = await filled(4, await vaultOf(1))
  const broken = rows.rows.get('s1 current') ?? expect.fail()
  broken.dataKey = broken.dataKey.map((byte, i) => (i === 30 ? byte ^ 1 : byte))
  const kept = Uint8Array.from(broken.dataKey)
  const result = await rewrapAll(rows, await vaultOf(1, 2))
  expect(result).toMatchObject({
    rewrapped: 3,
    current: 0,
    failed: [{ sourceId: 's1', slot: 'current', code: 'integrity' }],
  })
  expect(Buffer.from(broken.dataKey).equals(kept)).toBe(true)
})

test('a store that fails ends it', async () => {
  const rows = await filled(4, await vaultOf(1))
  rows.before = () => {
    throw new StowageError('unavailable', 'gone')
  }
  await expectCode(rewrapAll(rows, await vaultOf(1, 2)), 'unavailable')
})
