import { describe, expect, it } from 'vitest'
import type { PolicyConfig } from '../config/index.ts'
import { isShared, refuseEndless, refuseEndlessConfig, refuseNewEndless } from './endless.ts'
import { openWorld, pair } from './testing.ts'

const both = { twoWay: true }

const since = (all: readonly PolicyConfig[]): { config: PolicyConfig; since: number }[] =>
  all.map((config) => ({ config, since: 0 }))

describe('policies whose work need not come to an end', () => {
  it.each<[string, PolicyConfig[], string, string]>([
    ['a folder copied back above itself', [pair('p', 'a:', 'b:x'), pair('q', 'b:', 'a:')], 'to', '"q", "p"'],
    ['three', [pair('p', 'a:', 'b:'), pair('q', 'b:', 'c:'), pair('r', 'c:', 'a:')], 'to', '"r", "p", "q"'],
    [
      'three for a part',
      [pair('p', 'a:', 'b:x'), pair('q', 'b:x/y', 'c:'), pair('r', 'c:z', 'a:y/z')],
      'to',
      '"p", "q"',
    ],
    [
      'three that go both ways',
      [pair('p', 'a:', 'b:', both), pair('q', 'b:', 'c:', both), pair('r', 'c:', 'a:', both)],
      'to',
      '"p", "q"',
    ],
    [
      'two one way and one both ways',
      [pair('p', 'b:', 'c:'), pair('q', 'c:', 'a:'), pair('r', 'a:', 'b:', both)],
      'to',
      '"p", "q"',
    ],
    [
      'three about some keys in common',
      [
        pair('p', 'a:', 'b:', { include: ['/data/**', '*.gz'] }),
        pair('q', 'b:', 'c:', { include: ['/data/2024/'] }),
        pair('r', 'c:', 'a:', { include: ['*.csv', '/data/'] }),
      ],
      'to',
      '"r", "p", "q"',
    ],
    [
      'a folder of some keys copied back above itself',
      [pair('p', 'a:', 'b:x', { include: ['*.csv'] }), pair('q', 'b:', 'a:')],
      'to',
      '"q", "p"',
    ],
    [
      'deletes where another writes',
      [pair('p', 'a:', 'c:'), pair('q', 'b:', 'c:x', { delete: true })],
      'delete',
      '"q" would delete what "p"',
    ],
    [
      'writes where another deletes',
      [pair('p', 'a:', 'c:', { delete: true }), pair('q', 'b:', 'c:')],
      'to',
      '"p" would delete what "q"',
    ],
    [
      'deletes among all what another writes of one kind',
      [pair('p', 'a:', 'c:x', { include: ['*.gz'] }), pair('q', 'b:', 'c:', { delete: true, exclude: ['*.csv'] })],
      'delete',
      '"q" would delete what "p"',
    ],
    [
      'deletes of one kind where another writes all',
      [pair('p', 'a:', 'c:', { exclude: ['*.csv'] }), pair('q', 'b:', 'c:x', { delete: true, include: ['logs/'] })],
      'delete',
      '"q" would delete what "p"',
    ],
    [
      'deletes what one that goes both ways has yet to bring back',
      [pair('p', 'a:', 'b:', both), pair('q', 'a:', 'b:', { delete: true })],
      'delete',
      '"q" would delete',
    ],
    [
      'deletes where one goes both ways',
      [pair('p', 'a:', 'b:', both), pair('q', 'c:', 'b:', { delete: true })],
      'delete',
      '"q" would delete',
    ],
  ])('%s', (_, all, field, message) => {
    const last = all.at(-1) as PolicyConfig
    const before = all.slice(0, -1)
    const refusal = expect.objectContaining({ code: 'unsafe', field, message: expect.stringContaining(message) })
    expect(() => refuseNewEndless(last, before)).toThrow(refusal)
    expect(() => refuseEndless(last, since(all))).toThrow(refusal)
    // What was there first goes on.
    for (const one of before) expect(() => refuseEndless(one, since(all))).not.toThrow()
    expect(() => refuseNewEndless({ ...last, enabled: false }, before)).not.toThrow()
    expect(() => refuseEndlessConfig(all)).toThrow(
      expect.objectContaining({ code: 'configuration', field: `policies[${all.length - 1}].${field}` }),
    )
  })

  it.each<[string, PolicyConfig[]]>([
    ['two that copy each other', [pair('p', 'a:', 'b:'), pair('q', 'b:', 'a:')]],
    [
      'a folder that is copied back, and left out then',
      [pair('p', 'a:', 'b:x', { exclude: ['/x/'] }), pair('q', 'b:', 'a:')],
    ],
    [
      'three about other keys each',
      [
        pair('p', 'a:', 'b:', { include: ['*.csv'] }),
        pair('q', 'b:', 'c:', { include: ['*.gz'] }),
        pair('r', 'c:', 'a:', { include: ['/data/*.txt'] }),
      ],
    ],
    [
      'one folder copied back above itself once',
      [pair('p', 'a:', 'b:x', { include: ['/one'] }), pair('q', 'b:', 'a:')],
    ],
    ['keys that grow shorter', [pair('p', 'a:x', 'b:'), pair('q', 'b:', 'a:')]],
    ['a tree of policies that go both ways', [pair('p', 'a:', 'b:', both), pair('q', 'b:', 'c:', both)]],
    ['one way beside both ways', [pair('p', 'a:', 'b:'), pair('q', 'a:', 'b:', both)]],
    ['a chain', [pair('p', 'a:', 'b:', { delete: true }), pair('q', 'b:', 'c:', { delete: true })]],
    ['a star', [pair('p', 'a:', 'b:'), pair('q', 'a:', 'c:')]],
    ['several that write to one place', [pair('p', 'a:', 'c:'), pair('q', 'b:', 'c:')]],
    [
      'deletes in folders of their own',
      [pair('p', 'a:', 'c:a', { delete: true }), pair('q', 'b:', 'c:b', { delete: true })],
    ],
    [
      'deletes of other keys of one folder',
      [
        pair('p', 'a:', 'c:', { delete: true, include: ['logs/', '*.{gz,xz}'] }),
        pair('q', 'b:', 'c:', { delete: true, include: ['/data/**', '*.csv'] }),
      ],
    ],
    [
      'deletes that leave out what another writes',
      [pair('p', 'a:', 'c:', { delete: true, exclude: ['/x/'] }), pair('q', 'b:', 'c:x', { delete: true })],
    ],
    [
      'two that bring the same from one place, one of them a part',
      [pair('p', 'a:', 'c:', { delete: true }), pair('q', 'a:x', 'c:x', { delete: true, include: ['*.csv'] })],
    ],
    ['a way back to another folder', [pair('p', 'a:x', 'b:'), pair('q', 'b:', 'c:'), pair('r', 'c:', 'a:y')]],
    ['versions of datasets', [pair('p', 'a', 'b'), pair('q', 'b', 'a')]],
  ])('but not %s', (_, all) => {
    expect(() => refuseNewEndless(all.at(-1) as PolicyConfig, all.slice(0, -1))).not.toThrow()
    expect(() => refuseEndlessConfig(all)).not.toThrow()
  })
})

it('a policy whose globs make no sense stops no other', () => {
  const [p, q] = [pair('p', 'a:', 'b:'), pair('q', 'b:', 'c:', { exclude: ['a['] })]
  expect(() => refuseEndless(p, since([p, q]))).not.toThrow()
  expect(() => refuseNewEndless(p, [q])).not.toThrow()
  expect(isShared(p, [p, q])).toBe(false)
  expect(() => refuseNewEndless(q, [p])).toThrow(expect.objectContaining({ code: 'configuration', field: 'exclude' }))
})

it('one that would close a ring is neither added nor enabled, nor run where two were added at the same time', async () => {
  const world = await openWorld()
  try {
    const ring = [pair('p', 'a:', 'b:'), pair('q', 'b:', 'c:'), pair('r', 'c:', 'a:')]
    const [p, q, r] = ring as [PolicyConfig, PolicyConfig, PolicyConfig]
    await expect(world.open(ring)).rejects.toMatchObject({ code: 'configuration', field: 'policies[2].to' })
    const stowage = await world.open([p])
    await stowage.policies.add(q)
    await expect(stowage.policies.add(r)).rejects.toMatchObject({ code: 'unsafe', field: 'to' })
    await stowage.policies.add({ ...r, enabled: false })
    await expect(stowage.policies.enable('r')).rejects.toMatchObject({ code: 'unsafe', field: 'to' })
    await stowage.policies.remove('q')
    await stowage.policies.enable('r')
    // Another process, whose configuration has what this one refuses.
    const other = await world.open([p, q])
    await world.a.put('k', Buffer.from('k'))
    await world.c.put('k2', Buffer.from('k2'))
    expect(await other.policies.run('q')).toMatchObject({ status: 'success' })
    await expect(other.policies.run('r')).rejects.toMatchObject({ code: 'unsafe' })
    expect(await world.holds(world.a)).toEqual({ k: 'k' })
    expect((await other.policies.get('r')).last).toMatchObject({ status: 'failed', error: { code: 'unsafe' } })
  } finally {
    await world.close()
  }
})
