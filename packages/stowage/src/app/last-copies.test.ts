import { join } from 'node:path'
import { memory } from '@stowage/adapters/memory'
import { type OpenCatalog, openCatalog } from '@stowage/catalog'
import { hasCode, type StorageAdapter } from '@stowage/core'
import { seededRandom } from '@stowage/core/testing'
import { runs, tempDir, testSeed, withPostgres } from '@stowage/test-support'
import { expect, it } from 'vitest'
import { createStowage } from './create.ts'
import type { Stowage } from './stowage.ts'

const ada = { userId: 'ada', userType: 'external' } as const

/** Failures that others at the same work may cause, and that change nothing. */
const passing = [
  'conflict',
  'lease-held',
  'lease-lost',
  'unsafe',
  'not-found',
  'no-source',
  'unavailable',
  'invalid-request',
] as const

interface Process {
  stowage: Stowage
  catalog: OpenCatalog
}

/** Everything that writes, sweeps, drops or mends, as two processes may do it at the same moment. */
const works: Record<string, (p: Process, pick: (n: number) => number) => Promise<unknown>> = {
  publish: async ({ stowage }, pick) => {
    const cats = await stowage.as(ada).datasets.get('cats')
    const { draft } = await cats.draft()
    await draft.put(`f${pick(4)}`, Buffer.from(`bytes ${pick(1000)}`))
    await cats.publish(draft)
  },
  abandon: async ({ stowage }, pick) => {
    const { draft } = await (await stowage.as(ada).datasets.get('cats')).draft()
    await draft.put(`f${pick(4)}`, Buffer.from('left behind'))
  },
  'publish what may be swept': async ({ stowage }) => {
    const cats = await stowage.as(ada).datasets.get('cats')
    const { draft } = await cats.draft()
    await draft.put('raced', Buffer.from(draft.id))
    await Promise.all([cats.publish(draft), stowage.sweepDrafts({ olderThan: 0 })])
  },
  sweep: ({ stowage }) => stowage.sweepDrafts({ olderThan: 0 }),
  replicate: async ({ stowage, catalog }, pick) => {
    const [dataset] = await catalog.datasets.findDatasets('cats')
    if (dataset === undefined || dataset.version === 0) return
    await stowage.replicate(dataset.id, 1 + pick(dataset.version), ['a', 'b'][pick(2)] as string)
  },
  drop: async ({ catalog }, pick) => {
    const [dataset] = await catalog.datasets.findDatasets('cats')
    const replicas = await catalog.datasets.listReplicas(dataset?.id ?? '')
    const one = replicas[pick(Math.max(1, replicas.length))]
    if (one === undefined) return
    await catalog.datasets.markReplicaDeleting(one)
    await catalog.datasets.removeReplica(one)
  },
  mend: async ({ stowage, catalog }) => {
    const [dataset] = await catalog.datasets.findDatasets('cats')
    if (dataset !== undefined && dataset.version > 0) await stowage.verifyDataset(dataset.id, { repair: true })
  },
  scrub: ({ stowage }) => stowage.scrub(),
}

/** Plays works on two processes at once, and looks whether every published version is still whole on each replica that is ready. */
async function play(open: () => Promise<OpenCatalog>, seed: number, rounds: number): Promise<void> {
  const random = seededRandom(seed)
  const pick = (n: number) => Math.floor(random.next() * n)
  const adapters: Record<string, StorageAdapter> = { a: memory({ id: 'a' }), b: memory({ id: 'b' }) }
  for (const store of Object.values(adapters)) store.close = async () => undefined
  const start = async (): Promise<Process> => {
    const catalog = await open()
    const sources = [
      { id: 'a', type: 'memory', isPublic: true },
      { id: 'b', type: 'memory', isPublic: true },
    ] as const
    return {
      catalog,
      stowage: await createStowage({ sources: [...sources] }, { background: false, adapters, catalog }),
    }
  }
  const processes = await Promise.all([start(), start()])
  const [first] = processes
  await first?.stowage.as(ada).datasets.create({ name: 'cats' })
  const names = Object.keys(works)
  const played: string[] = []
  for (let round = 0; round < rounds; round++) {
    const chosen = processes.map(() => names[round === 0 ? 0 : pick(names.length)] as string)
    played.push(chosen.join(' | '))
    await Promise.all(
      processes.map((process, i) =>
        works[chosen[i] as string]?.(process, pick).catch((error: unknown) => {
          if (!hasCode(error, ...passing)) throw error
        }),
      ),
    )
    await check(processes[0] as Process, `seed ${seed}: ${played.join(', ')}`)
  }
  for (const { stowage, catalog } of processes) {
    await stowage.close()
    await catalog.close()
  }
}

async function check({ stowage, catalog }: Process, note: string): Promise<void> {
  const [dataset] = await catalog.datasets.findDatasets('cats')
  if (dataset === undefined || dataset.version === 0) return
  for (const { number } of await catalog.datasets.listVersions(dataset.id)) {
    const replicas = await catalog.datasets.listReplicas(dataset.id, number)
    expect(
      replicas.some(({ status }) => status === 'ready'),
      `${note}; version ${number}`,
    ).toBe(true)
  }
  const { clean, findings } = await stowage.verifyDataset(dataset.id)
  expect(findings, note).toEqual([])
  expect(clean, note).toBe(true)
}

it('nothing that two processes on SQLite do takes the last copy of a published version', async () => {
  for (let i = 0; i < runs(3, 100); i++) {
    const path = join(tempDir('last'), 'catalog.db')
    await play(() => openCatalog({ type: 'sqlite', path }), testSeed() * 1000 + i, runs(15, 40))
  }
}, 900_000)

await withPostgres(({ url }) => {
  it('nothing that two processes on PostgreSQL do takes the last copy of a published version', async () => {
    for (let i = 0; i < runs(2, 50); i++) {
      const schema = `last_${testSeed()}_${i}_${process.pid}`
      await play(() => openCatalog({ type: 'postgres', url, schema }), testSeed() * 1000 + 500 + i, runs(15, 40))
    }
  }, 900_000)
})
