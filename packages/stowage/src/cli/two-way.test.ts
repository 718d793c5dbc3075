import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { filesystem } from '@stowage/adapters/filesystem'
import { minio } from '@stowage/adapters/minio'
import type { StorageAdapter } from '@stowage/core'
import { freshBucket, tempDir, withMinio } from '@stowage/test-support'
import { describe, expect, it } from 'vitest'
import { runIn } from './testing.ts'

function commandIn(cwd: string) {
  return (...args: string[]) => runIn(cwd, [...args, '--json'])
}

async function textOf(adapter: StorageAdapter, key: string): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of (await adapter.get(key)).body) chunks.push(chunk)
  return Buffer.concat(chunks).toString('latin1')
}

async function contents(adapter: StorageAdapter, prefix: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for await (const page of adapter.list({ prefix }))
    for (const { key } of page.objects) found[key.slice(prefix.length)] = await textOf(adapter, key)
  return found
}

/** A history on both sides: edits, deletes, equal edits, conflicts, a large object, and an interrupted run. */
async function history(
  stowage: ReturnType<typeof commandIn>,
  left: [string, StorageAdapter],
  right: [string, StorageAdapter],
) {
  const [a, b] = [left[1], right[1]]
  const sync = (...more: string[]) => stowage('sync', `${left[0]}:in`, `${right[0]}:out`, '--two-way', ...more)
  const put = (adapter: StorageAdapter, key: string, text: string) => adapter.put(key, Buffer.from(text, 'latin1'))
  const same = async () => {
    const here = await contents(a, 'in/')
    expect(await contents(b, 'out/')).toEqual(here)
    return here
  }
  const large = 'large '.repeat(2_000_000)
  for (const key of ['edited-here', 'edited-there', 'gone-here', 'gone-there', 'sub/both', 'keep'])
    await put(a, `in/${key}`, 'old')
  await put(b, 'out/there/only', 'there')
  await put(b, 'out/there/large', large)
  expect(await sync()).toMatchObject({ code: 0, json: { objects: { copied: 8, deleted: 0, conflicts: 0 } } })
  expect(Object.keys(await same())).toHaveLength(8)
  expect(await sync()).toMatchObject({
    code: 0,
    json: { objects: { copied: 0, skipped: 8 }, bytes: { transferred: 0 } },
  })

  await put(a, 'in/edited-here', 'new')
  await put(b, 'out/edited-there', 'NEW')
  await a.delete('in/gone-here')
  await b.delete('out/gone-there')
  await put(a, 'in/sub/both', 'ours')
  await put(b, 'out/sub/both', 'theirs')
  await put(b, 'out/there/large', `${large}er`)
  expect(await sync('--dry-run')).toMatchObject({ code: 0, json: { objects: { copied: 4, deleted: 2, conflicts: 1 } } })
  const settled = await sync('--conflict', 'target')
  expect(settled).toMatchObject({
    code: 0,
    json: { objects: { copied: 4, skipped: 2, deleted: 2, conflicts: 1, failed: 0 }, errors: [] },
  })
  expect(settled.stderr).toContain('"sub/both" was changed on both sides')
  const found = await same()
  const aside = Object.keys(found).filter((key) => key.startsWith('sub/both.conflict-source-'))
  expect(aside).toHaveLength(1)
  expect(found).toEqual({
    'edited-here': 'new',
    'edited-there': 'NEW',
    keep: 'old',
    'sub/both': 'theirs',
    [aside[0] ?? '']: 'ours',
    'there/only': 'there',
    'there/large': `${large}er`,
  })
  expect(await sync()).toMatchObject({
    code: 0,
    json: { objects: { copied: 0, skipped: 7, deleted: 0, conflicts: 0 } },
  })
  expect(await stowage('verify', `${left[0]}:in`, `${right[0]}:out`)).toMatchObject({ code: 0 })

  for (const key of Object.keys(found)) await b.delete(`out/${key}`)
  expect(await sync()).toMatchObject({ code: 3 })
  expect(Object.keys(await contents(a, 'in/'))).toHaveLength(7)
  expect(await sync('--allow-empty')).toMatchObject({ code: 0, json: { objects: { deleted: 7 } } })
  expect(await same()).toEqual({})
}

describe('sync --two-way', () => {
  it('keeps two folders the same', async () => {
    const cwd = tempDir('two-way')
    const sources = ['left', 'right'].map((id) => ({ id, type: 'filesystem', root: `./${id}` }))
    writeFileSync(join(cwd, 'stowage.config.json'), JSON.stringify({ sources }))
    for (const id of ['left', 'right']) mkdirSync(join(cwd, id))
    const folder = (id: string) => filesystem({ id, root: join(cwd, id) })
    await history(commandIn(cwd), ['left', folder('left')], ['right', folder('right')])
  })

  it('needs --two-way for --conflict, and one of its rules', async () => {
    const cwd = tempDir('two-way')
    writeFileSync(
      join(cwd, 'stowage.config.json'),
      JSON.stringify({ sources: [{ id: 'd', type: 'filesystem', root: '.' }] }),
    )
    const stowage = commandIn(cwd)
    expect((await stowage('sync', 'd:a', 'd:b', '--conflict', 'newer')).code).toBe(2)
    expect((await stowage('sync', 'd:a', 'd:b', '--two-way', '--conflict', 'older')).code).toBe(2)
  })

  it('a deleted folder on one side and one that a program keeps writing to', async () => {
    const cwd = tempDir('two-way')
    const sources = ['left', 'right'].map((id) => ({ id, type: 'filesystem', root: `./${id}` }))
    writeFileSync(join(cwd, 'stowage.config.json'), JSON.stringify({ sources }))
    mkdirSync(join(cwd, 'left', 'logs'), { recursive: true })
    mkdirSync(join(cwd, 'right'))
    for (const name of ['1', '2', '3']) writeFileSync(join(cwd, 'left', 'logs', name), name)
    for (const name of ['a', 'b', 'c']) writeFileSync(join(cwd, 'left', name), name)
    const stowage = commandIn(cwd)
    await stowage('sync', 'left:', 'right:', '--two-way')
    rmSync(join(cwd, 'right', 'logs'), { recursive: true })
    writeFileSync(join(cwd, 'left', 'logs', '3'), 'written on')
    expect(await stowage('sync', 'left:', 'right:', '--two-way')).toMatchObject({
      code: 0,
      json: { objects: { copied: 1, deleted: 2 } },
    })
    expect(readdirSync(join(cwd, 'left', 'logs'))).toEqual(['3'])
    expect(readFileSync(join(cwd, 'right', 'logs', '3'), 'utf8')).toBe('written on')
  })
})

await withMinio((server) => {
  const { endpoint, accessKey, secretKey, region } = server
  const bucketOf = async (id: string) => {
    const { name } = await freshBucket(server)
    const config = { id, type: 'minio', endpoint, region, bucket: name, accessKey, secretKey }
    return { config, adapter: minio({ id, endpoint, region, bucket: name, accessKey, secretKey }) }
  }

  it('sync --two-way keeps two buckets the same', async () => {
    const cwd = tempDir('two-way')
    const [left, right] = [await bucketOf('left'), await bucketOf('right')]
    writeFileSync(join(cwd, 'stowage.config.json'), JSON.stringify({ sources: [left.config, right.config] }))
    try {
      await history(commandIn(cwd), ['left', left.adapter], ['right', right.adapter])
    } finally {
      await Promise.all([left.adapter.close(), right.adapter.close()])
    }
  })

  it.each([true, false])('sync --two-way keeps a folder and a bucket the same, the folder first: %s', async (first) => {
    const cwd = tempDir('two-way')
    const bucket = await bucketOf('lan')
    const config = { id: 'disk', type: 'filesystem', root: './disk' }
    mkdirSync(join(cwd, 'disk'))
    writeFileSync(join(cwd, 'stowage.config.json'), JSON.stringify({ sources: [config, bucket.config] }))
    const disk = filesystem({ id: 'disk', root: join(cwd, 'disk') })
    const sides: [string, StorageAdapter][] = [
      ['disk', disk],
      ['lan', bucket.adapter],
    ]
    const [left, right] = first ? sides : sides.toReversed()
    try {
      if (left !== undefined && right !== undefined) await history(commandIn(cwd), left, right)
    } finally {
      await Promise.all([disk.close(), bucket.adapter.close()])
    }
  })
})
