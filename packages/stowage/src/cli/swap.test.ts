import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freshBucket, tempDir, withMinio } from '@stowage/test-support'
import { expect, it } from 'vitest'
import { runIn } from './testing.ts'

function commandIn(cwd: string) {
  return (...args: string[]) => runIn(cwd, [...args, '--json'])
}

it('a file that became a folder, and a folder that became a file, are synced with --delete and named without', async () => {
  const cwd = tempDir('swap')
  const stowage = commandIn(cwd)
  const from = join(cwd, 'from')
  const to = join(cwd, 'to')
  const sources = ['from', 'to'].map((id) => ({ id, type: 'filesystem', root: `./${id}` }))
  writeFileSync(join(cwd, 'stowage.config.json'), JSON.stringify({ sources }))
  mkdirSync(to)
  mkdirSync(join(from, 'sub', 'deep'), { recursive: true })
  for (const path of ['file', 'one', 'two', 'sub/a', 'sub/deep/b']) writeFileSync(join(from, path), path)
  for (const path of ['sub-1', 'sub.txt']) writeFileSync(join(from, path), path)
  expect((await stowage('sync', 'from:', 'to:')).code).toBe(0)
  rmSync(join(from, 'file'))
  rmSync(join(from, 'sub'), { recursive: true })
  mkdirSync(join(from, 'file'))
  writeFileSync(join(from, 'file', 'x'), 'x')
  writeFileSync(join(from, 'sub'), 'now a file')

  const refused = await stowage('sync', 'from:', 'to:')
  expect(refused.code).toBe(1)
  expect(refused.json.errors).toEqual([
    expect.objectContaining({ key: 'file/x', message: expect.stringMatching(/"file".*--delete/) }),
    expect.objectContaining({ key: 'sub', message: expect.stringMatching(/"sub\/a".*--delete/) }),
  ])
  expect(readFileSync(join(to, 'sub', 'a'), 'utf8')).toBe('sub/a')

  const swapped = await stowage('sync', 'from:', 'to:', '--delete')
  expect(swapped.json).toMatchObject({ status: 'success', objects: { copied: 2, deleted: 3, failed: 0, conflicts: 0 } })
  expect(swapped.code).toBe(0)
  expect(readFileSync(join(to, 'sub'), 'utf8')).toBe('now a file')
  expect(readdirSync(join(to, 'file'))).toEqual(['x'])
  const again = await stowage('sync', 'from:', 'to:', '--delete')
  expect(again).toMatchObject({ code: 0, json: { objects: { copied: 0, skipped: 6 } } })
})

await withMinio((server) => {
  it.each([
    ['folder', 'lan'],
    ['lan', 'folder'],
    ['lan', 'lan2'],
  ])('so they are from %s to %s', async (fromId, toId) => {
    const cwd = tempDir('swap')
    const { endpoint, accessKey, secretKey, region } = server
    const buckets = [await freshBucket(server), await freshBucket(server)]
    const lan = ['lan', 'lan2'].map((id, i) => {
      return { id, type: 'minio', endpoint, region, bucket: buckets[i]?.name, accessKey, secretKey }
    })
    const local = ['folder', 'made'].map((id) => ({ id, type: 'filesystem', root: `./${id}` }))
    writeFileSync(join(cwd, 'stowage.config.json'), JSON.stringify({ sources: [...local, ...lan] }))
    mkdirSync(join(cwd, 'folder'))
    mkdirSync(join(cwd, 'made'))
    const stowage = commandIn(cwd)
    const before = join(cwd, 'made', 'before')
    const after = join(cwd, 'made', 'after')
    for (const [root, paths] of [
      [before, ['file', 'one', 'two', 'sub/a', 'sub/deep/b', 'sub-1', 'sub.txt']],
      [after, ['file/x', 'one', 'two', 'sub', 'sub-1', 'sub.txt']],
    ] as const) {
      for (const path of paths) {
        mkdirSync(join(root, path, '..'), { recursive: true })
        writeFileSync(join(root, path), path)
      }
    }
    const [from, to] = [`${fromId}:in`, `${toId}:out`]
    expect((await stowage('sync', 'made:before', from)).code).toBe(0)
    expect((await stowage('sync', from, to)).code).toBe(0)
    expect(await stowage('sync', 'made:after', from, '--delete')).toMatchObject({ code: 0 })
    expect(await stowage('sync', from, to)).toMatchObject({ code: 1, json: { objects: { conflicts: 2 } } })
    expect(await stowage('sync', from, to, '--delete')).toMatchObject({
      code: 0,
      json: { objects: { copied: 2, deleted: 3 } },
    })
    expect(await stowage('verify', 'made:after', to)).toMatchObject({ code: 0 })
    expect(await stowage('sync', from, to, '--delete')).toMatchObject({ code: 0, json: { objects: { copied: 0 } } })
  })
})
