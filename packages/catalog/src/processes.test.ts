import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { systemClock, systemRandom } from '@stowage/core'
import { nodeArgs, runs, tempDir } from '@stowage/test-support'
import { expect, onTestFinished, test } from 'vitest'
import { SqlDatasetStore } from './dataset-store/index.ts'
import { migrate, migrations } from './migrations/index.ts'
import { type OpenCatalog, openCatalog } from './open.ts'
import { openSqlite } from './sqlite/index.ts'

/** Programs that run as processes of their own. The path of the catalog is their first argument. */
const programs = {
  /** Opens a catalog, writes one record of its own and prints the catalog's id. */
  open: `
    const catalog = await openCatalog({ type: 'sqlite', path })
    await catalog.sync.put('from/' + argument, Buffer.from(argument), null)
    process.stdout.write(await catalog.datasets.catalogId())
    await catalog.close()`,
  /** Opens a catalog, adds a source of its own and one that all add, and prints what it learned of a dataset. */
  upgrade: `
    const catalog = await openCatalog({ type: 'sqlite', path })
    await catalog.sources.add({ id: 's' + argument, type: 'memory' })
    await catalog.sources.add({ id: 'shared', type: 'memory' }).catch((error) => { if (error.code !== 'conflict') throw error })
    process.stdout.write((await catalog.datasets.catalogId()) + ' ' + (await catalog.datasets.getDataset('cats')).name)
    await catalog.close()`,
  /** Adds one to a counter again and again, by compare-and-swap. */
  count: `
    const catalog = await openCatalog({ type: 'sqlite', path })
    for (let done = 0; done < Number(argument); ) {
      const record = await catalog.sync.get('counter')
      const next = Number(record === undefined ? 0 : Buffer.from(record.value).toString()) + 1
      await catalog.sync.put('counter', Buffer.from(String(next)), record?.revision ?? null).then(
        () => done++,
        (error) => { if (error.code !== 'conflict') throw error },
      )
    }
    await catalog.close()`,
  /** Writes records until it is killed, and prints the key and revision of each after it was acknowledged. */
  write: `
    const catalog = await openCatalog({ type: 'sqlite', path })
    for (let i = 0; ; i++) {
      const key = 'w/' + process.pid + '/' + i
      const revision = await catalog.sync.put(key, Buffer.alloc(4000, i % 256), null)
      writeSync(1, key + ' ' + revision + '\\n')
    }`,
}

interface Running {
  output(): string
  onOutput(listener: () => void): void
  kill(): void
  /** Fails with what the program wrote to stderr, unless it was killed or ended well. */
  ended: Promise<void>
}

/** Starts a program. It is killed when the test is over. */
function start(program: keyof typeof programs, path: string, argument = ''): Running {
  const prelude = `import { writeSync } from 'node:fs'; import { openCatalog } from '@stowage/catalog'
    const [path, argument] = process.argv.slice(1)`
  const options = [...nodeArgs, '--input-type=module', '--eval', prelude + programs[program]]
  const child = spawn(process.execPath, [...options, path, argument], {
    cwd: fileURLToPath(new URL('.', import.meta.url)),
  })
  const kill = (): void => {
    child.kill('SIGKILL')
  }
  onTestFinished(kill)
  let output = ''
  let errors = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text
  })
  const ended = once(child, 'close').then(([code, signal]) => {
    if (code !== 0 && signal !== 'SIGKILL') throw new Error(`${program} ended with ${code ?? signal}: ${errors}`)
  })
  return { output: () => output, onOutput: (listener) => child.stdout.on('data', listener), kill, ended }
}

async function opened(path: string): Promise<OpenCatalog> {
  const catalog = await openCatalog({ type: 'sqlite', path })
  onTestFinished(() => catalog.close())
  return catalog
}

test('several processes open a fresh file at the same time', async () => {
  for (let round = 0; round < runs(2, 10); round++) {
    const path = join(tempDir('catalog'), 'fresh', 'catalog.db')
    const all = Array.from({ length: 4 }, (_, i) => start('open', path, String(i)))
    await Promise.all(all.map((running) => running.ended))
    const ids = new Set(all.map((running) => running.output()))
    expect(ids.size, [...ids].join()).toBe(1)
    const catalog = await opened(path)
    expect(await catalog.sync.list('from/')).toEqual(['from/0', 'from/1', 'from/2', 'from/3'])
  }
})

test('several processes upgrade an older catalog at the same time, and lose nothing of it', async () => {
  const chance = { clock: systemClock, random: systemRandom }
  for (let round = 0; round < runs(2, 10); round++) {
    const path = join(tempDir('catalog'), 'catalog.db')
    const old = openSqlite(path)
    await migrate(old, chance, { 1: migrations[1] as (typeof migrations)[number] })
    const store = new SqlDatasetStore(old, systemClock, async () => {})
    await store.createDataset({ id: 'cats', name: 'of old', userId: 'ada' })
    const id = await store.catalogId()
    await old.close()
    const all = Array.from({ length: 4 }, (_, i) => start('upgrade', path, String(i)))
    await Promise.all(all.map((running) => running.ended))
    expect(all.map((running) => running.output())).toEqual(all.map(() => `${id} of old`))
    const catalog = await opened(path)
    expect((await catalog.sources.list()).map((source) => source.id)).toEqual(['s0', 's1', 's2', 's3', 'shared'])
    const revisions = new Set((await catalog.sources.list()).map(({ revision }) => revision))
    expect(revisions.size).toBe(5)
  }
})

test('processes that count at the same time lose nothing', async () => {
  const path = join(tempDir('catalog'), 'catalog.db')
  const times = runs(40, 500)
  const all = Array.from({ length: 3 }, () => start('count', path, String(times)))
  await Promise.all(all.map((running) => running.ended))
  const catalog = await opened(path)
  const record = await catalog.sync.get('counter')
  expect(Buffer.from(record?.value ?? []).toString()).toBe(String(3 * times))
})

test('what was acknowledged is there after kill -9', async () => {
  const path = join(tempDir('catalog'), 'catalog.db')
  const revisions = new Set<string>()
  for (let round = 0; round < runs(3, 15); round++) {
    const writer = start('write', path)
    const enough = 5 + round * 20
    await new Promise<void>((resolve, reject) => {
      writer.ended.then(() => reject(new Error('the writer ended by itself')), reject)
      writer.onOutput(() => {
        if (writer.output().split('\n').length > enough) resolve()
      })
    })
    writer.kill()
    await writer.ended
    // A line that was cut off is not an acknowledgement.
    const acknowledged = writer.output().split('\n').slice(0, -1)
    expect(acknowledged.length).toBeGreaterThanOrEqual(enough)
    const catalog = await openCatalog({ type: 'sqlite', path })
    for (const [i, line] of acknowledged.entries()) {
      const [key = '', revision = ''] = line.split(' ')
      const record = await catalog.sync.get(key)
      expect(record?.revision).toBe(revision)
      expect(Buffer.alloc(4000, i % 256).equals(record?.value ?? Buffer.alloc(0))).toBe(true)
      expect(revisions).not.toContain(revision)
      revisions.add(revision)
    }
    await catalog.close()
  }
})
