import { withMinio } from '@stowage/test-support'
import { expect, it } from 'vitest'
import { stage } from './stage.ts'

await withMinio((server) => {
  it('a prefix is not its neighbour: nothing of "zzz-precious/" is copied or deleted with "zzz"', async () => {
    const here = await stage({ to: server })
    await here.from.fill({ 'zzz/a': 'a', 'zzz-precious/b': 'theirs', zzzz: 'theirs', 'zzz.txt': 'theirs' })
    await here.to.fill({ 'zzz/old': 'old', 'zzz-precious/c': 'precious', zzzz: 'precious', zzz0: 'precious' })
    for (const prefix of ['zzz', 'zzz/']) {
      const args = ['sync', `from:${prefix}`, `to:${prefix}`, '--delete', '--max-delete', '100']
      expect((await here.stowage(...args)).code).toBe(0)
      const { a, ...others } = await here.to.contents('zzz/')
      expect([typeof a, others]).toEqual(['string', {}])
      expect(Object.keys(await here.to.contents())).toEqual(['zzz-precious/c', 'zzz/a', 'zzz0', 'zzzz'])
      await here.to.fill({ 'zzz/old': 'old' })
    }
  })

  it('an emptied source empties nothing, unless that is allowed', async () => {
    const here = await stage({ to: server })
    await here.from.fill({ 'in/a': 'a', 'in/b': 'b' })
    expect((await here.sync('--delete')).code).toBe(0)
    for (const key of ['in/a', 'in/b']) await here.from.store.delete(key)
    for (const more of [[], ['--max-delete', '100']]) {
      const refused = await here.sync('--delete', ...more)
      expect(refused).toMatchObject({ code: 3, json: { error: { code: 'unsafe' } } })
      expect(Object.keys(await here.to.contents('out/'))).toEqual(['a', 'b'])
    }
    expect(here.to.proxy.count('delete', 'delete-many')).toBe(0)
    expect(await here.sync('--delete', '--allow-empty')).toMatchObject({ code: 0, json: { objects: { deleted: 2 } } })
  })

  it('more deletes than are allowed delete nothing, and a dry run says what would go', async () => {
    const here = await stage({ to: server })
    await here.from.fill({ 'in/a': 'a', 'in/b': 'b', 'in/c': 'c', 'in/d': 'd' })
    expect((await here.sync()).code).toBe(0)
    for (const key of ['in/a', 'in/b', 'in/c']) await here.from.store.delete(key)
    expect(await here.sync('--delete')).toMatchObject({ code: 3, json: { error: { code: 'unsafe' } } })
    const dry = ['--delete', '--max-delete', '80', '--dry-run']
    expect(await here.sync(...dry)).toMatchObject({ code: 0, json: { objects: { deleted: 3 } } })
    expect(Object.keys(await here.to.contents('out/'))).toHaveLength(4)
    expect((await here.sync('--delete', '--max-delete', '80')).code).toBe(0)
    await here.expectSame()
  })

  it('a folder that MinIO shows as empty, since an object has its name, is not taken for an emptied one', async () => {
    const here = await stage({ to: server })
    await here.from.fill({ 'in/a': 'a' })
    expect((await here.sync('--delete')).code).toBe(0)
    // Through the disk of the server, as it comes about by other tools: the store lists nothing below "in/" now.
    await here.from.store.delete('in/a')
    await here.from.fill({ in: 'an object' })
    const listed: string[] = []
    for await (const page of here.from.store.list({ prefix: 'in/' })) listed.push(...page.objects.map(({ key }) => key))
    expect(listed).toEqual([])
    for (const more of [[], ['--allow-empty']]) {
      expect(await here.sync('--delete', ...more)).toMatchObject({ code: 3, json: { error: { code: 'unsafe' } } })
    }
    expect(Object.keys(await here.to.contents('out/'))).toEqual(['a'])
  })

  it('what lies below an object of the same name is hidden from a listing, and so it is not deleted', async () => {
    const here = await stage({ to: server })
    await here.from.fill({ 'in/k': 'k', 'in/sub/a': 'a', 'in/sub/b': 'b', 'in/z': 'z' })
    expect((await here.sync('--delete')).code).toBe(0)
    const hidden = await here.from.fill({ 'in/sub': 'hides' }).then(
      () => true,
      () => false,
    )
    const { code, json } = await here.sync('--delete')
    if (hidden) expect([code, json.objects.deleted]).toEqual([1, 0])
    expect(Object.keys(await here.to.contents('out/'))).toEqual(expect.arrayContaining(['sub/a', 'sub/b']))
  })
})
