import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tempDir } from '@stowage/test-support'
import { beforeEach, describe, expect, it } from 'vitest'
import { runIn } from './testing.ts'

let cwd: string

beforeEach(() => {
  cwd = tempDir('policies')
  for (const name of ['a', 'b']) mkdirSync(join(cwd, name))
  writeFileSync(
    join(cwd, 'stowage.config.json'),
    JSON.stringify({
      sources: [
        { id: 'a', type: 'filesystem', root: './a' },
        { id: 'b', type: 'filesystem', root: './b' },
      ],
      policies: [{ id: 'of-file', on: 'event', from: 'a:in', to: 'a:copies' }],
    }),
  )
})

const stowage = (...args: string[]) => runIn(cwd, args)

const nightly = ['--on', 'schedule', '--from', 'a:', '--to', 'b:', '--schedule', '30 2 * * *']

describe('stowage policy', () => {
  it('adds, lists, switches and removes policies of the catalog', async () => {
    const added = await stowage(
      'policy',
      'add',
      'night',
      ...nightly,
      '--time-zone',
      'Europe/Berlin',
      '--delete',
      '--json',
    )
    expect(added.json).toMatchObject({ id: 'night', origin: 'catalog', delete: true, timeZone: 'Europe/Berlin' })
    const { json } = await stowage('policy', 'list', '--json')
    expect(json.map((p: { id: string; origin: string }) => [p.id, p.origin])).toEqual([
      ['of-file', 'file'],
      ['night', 'catalog'],
    ])
    expect((await stowage('policy', 'disable', 'night', '--json')).json.enabled).toBe(false)
    expect((await stowage('policy', 'list')).stdout).toMatch(/night +schedule +a: +b: +catalog +off/)
    expect((await stowage('policy', 'enable', 'night', '--json')).json.enabled).toBe(true)
    expect((await stowage('policy', 'remove', 'night', '--json')).json).toEqual({ id: 'night', removed: true })
    expect((await stowage('policy', 'remove', 'night', '--json')).json).toEqual({ id: 'night', removed: false })
    expect((await stowage('policy', 'remove', 'nihgt')).stdout).toBe('there is no policy nihgt\n')
    expect((await stowage('policy', 'list', '--json')).json).toHaveLength(1)
  })

  it.for([
    [['add', 'of-file', ...nightly], /configuration/],
    [['add', 'x', ...nightly.slice(0, -2)], /schedule is needed/],
    [['add', 'x', ...nightly, '--time-zone', 'Mars/X'], /timeZone/],
    [['add', 'x', ...nightly.slice(0, -1), '61 * * * *'], /minute/],
    [['add', 'x', '--on', 'event', '--from', 'a:', '--to', 'z:'], /no source "z"/],
    [['add', 'x', '--on', 'event', '--from', 'a', '--to', 'b:'], /from/],
    [['add', 'x', '--on', 'often', '--from', 'a:', '--to', 'b:'], /often/],
    [['disable', 'of-file'], /configuration/],
    [['remove', 'of-file'], /configuration/],
  ] as const)('ends with 2 and says what is wrong: %j', async ([args, says]) => {
    const { code, stderr } = await stowage('policy', ...args)
    expect([code, stderr]).toEqual([2, expect.stringMatching(says)])
    expect((await stowage('policy', 'list', '--json')).json).toHaveLength(1)
  })

  it('refuses an id that is taken', async () => {
    expect((await stowage('policy', 'add', 'night', ...nightly)).code).toBe(0)
    const { code, stderr } = await stowage('policy', 'add', 'night', ...nightly)
    expect([code, stderr]).toEqual([2, expect.stringMatching(/"night" already/)])
  })

  it('runs one now, as its options say, with the exit codes of a sync', async () => {
    mkdirSync(join(cwd, 'a/in'))
    for (const name of ['k', 'k.tmp']) writeFileSync(join(cwd, 'a/in', name), name)
    await stowage(
      'policy',
      'add',
      'm',
      '--on',
      'manual',
      '--from',
      'a:in',
      '--to',
      'b:',
      '--exclude',
      '*.tmp',
      '--delete',
    )
    const { code, json } = await stowage('policy', 'run', 'm', '--json')
    expect([code, json.status, json.objects.copied]).toEqual([0, 'success', 1])
    expect(readdirSync(join(cwd, 'b'))).toContain('k')
    const list = await stowage('policy', 'list', '--json')
    expect(list.json[1]).toMatchObject({ last: { trigger: 'manual' }, reconciled: { from: expect.any(Number) } })
    expect((await stowage('policy', 'run', 'none')).code).toBe(1)
    expect((await stowage('policy', 'run', 'm', '--background', '--json')).json).toMatchObject({ trigger: 'requested' })
    expect((await stowage('policy', 'list', '--json')).json[1]).toMatchObject({ wanted: 'manual', state: 'waiting' })
    expect((await stowage('policy', 'list')).stdout).toMatch(/m +manual +a:in +b: +catalog +waiting +success/)
  })

  it('adds none whose work need not end, and says of a configuration with such a one where it is', async () => {
    const { code, json } = await stowage(
      ...'policy add back --on manual --from a:copies --to a:in/deeper --json'.split(' '),
    )
    expect([code, json.error]).toMatchObject([3, { code: 'unsafe', field: 'to' }])
    const path = join(cwd, 'stowage.config.json')
    const config = JSON.parse(readFileSync(path, 'utf8'))
    config.policies.push({ id: 'other', on: 'manual', from: 'b:', to: 'a:copies', delete: true })
    writeFileSync(path, JSON.stringify(config))
    const list = await stowage('policy', 'list', '--json')
    expect([list.code, list.json.error]).toMatchObject([2, { code: 'configuration', field: 'policies[1].delete' }])
  })

  it('ends with 3 when the sync stops for safety', async () => {
    mkdirSync(join(cwd, 'a/in'))
    writeFileSync(join(cwd, 'a/in/k'), 'k')
    await stowage('policy', 'add', 'm', '--on', 'manual', '--from', 'a:in', '--to', 'b:out', '--delete')
    expect((await stowage('policy', 'run', 'm')).code).toBe(0)
    rmSync(join(cwd, 'a/in/k'))
    expect((await stowage('policy', 'run', 'm')).code).toBe(3)
    expect((await stowage('policy', 'list', '--json')).json[1]).toMatchObject({
      failures: 1,
      last: { status: 'failed' },
    })
  })
})
