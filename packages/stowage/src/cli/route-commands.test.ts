import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tempDir } from '@stowage/test-support'
import { expect, test } from 'vitest'
import { runIn } from './testing.ts'

test('route explains, replays, and shows, checks, tries out, sets and resets rules', async () => {
  const cwd = tempDir('route')
  const stowage = (...args: string[]) => runIn(cwd, args)
  const sources = [
    { id: 'oss-hz', type: 'memory', isPublic: true, region: 'cn-hangzhou', labels: { class: 'outside' } },
    { id: 'lan', type: 'memory', region: 'cn-sz' },
    { id: 'off', type: 'memory', enabled: false },
  ]
  writeFileSync(join(cwd, 'stowage.config.json'), JSON.stringify({ sources }))
  writeFileSync(
    join(cwd, 'rules.json'),
    JSON.stringify([{ id: 'big-out', when: { minSize: 1e12 }, then: { prefer: 'oss-hz' } }]),
  )
  writeFileSync(join(cwd, 'bad.json'), JSON.stringify([{ id: 'big-out', when: { minsize: 1 }, then: { prefer: 'x' } }]))
  const big = ['route', 'explain', '--purpose', 'write', '--size', '2000000000000', '--region', 'cn-sz']

  const explained = await stowage(...big)
  expect(explained.code).toBe(0)
  expect(explained.stdout).toMatch(/^1 +lan .*rule "default-internal-write" prefers it/m)
  expect(explained.stdout).toMatch(
    /^2 +oss-hz .*preference: a rule prefers the first \(rule "default-internal-write"\)/m,
  )
  expect(explained.stdout).toMatch(/^off +enabled +it is disabled$/m)
  const id = /^decision: (\S+)$/m.exec(explained.stdout)?.[1] ?? ''

  expect(await stowage('route', 'rules', 'check', 'rules.json')).toMatchObject({ code: 0 })
  const bad = await stowage('route', 'rules', 'check', 'bad.json')
  expect(bad.code).toBe(2)
  expect(bad.stderr).toContain('Rule "big-out": when.minsize: there is no such field')
  expect(await stowage('route', 'rules', 'set', 'bad.json')).toMatchObject({ code: 2 })
  expect(await stowage('route', 'rules', 'check', 'none.json')).toMatchObject({ code: 2 })

  const dry = await stowage('route', 'rules', 'dry-run', 'rules.json')
  expect(dry.stdout).toMatch(
    new RegExp(`^${id}  write  lan oss-hz -> oss-hz lan  \\(big-out, default-internal-write\\)$`, 'm'),
  )
  expect(dry.stdout).toMatch(
    /^of 1 recorded decisions, set \w{16} would have changed 1: 1 the source used, 0 to no source at all$/m,
  )

  expect(await stowage('route', 'rules', 'set', 'rules.json')).toMatchObject({ code: 0 })
  expect((await stowage('route', 'rules', 'show')).stdout).toMatch(
    /^100 +big-out .*\n(.*\n)+set \w{16}, from the catalog$/m,
  )
  expect((await stowage(...big)).stdout).toMatch(/^1 +oss-hz/m)

  const again = await stowage('route', 'replay', id)
  expect(again.code).toBe(0)
  expect(again.stdout).toMatch(/^1 +lan/m)
  expect(again.stdout).toMatch(/; the same as then$/m)
  expect(JSON.parse((await stowage('route', 'replay', id, '--json')).stdout)).toMatchObject({
    same: true,
    record: { id },
  })
  expect(await stowage('route', 'replay', '01hzzzzzzzzzzzzzzzzzzzzzzz')).not.toMatchObject({ code: 0 })

  expect((await stowage('route', 'rules', 'reset')).stdout).toContain('from the configuration')
  expect((await stowage(...big)).stdout).toMatch(/^1 +lan/m)
  expect(await stowage('route', 'explain', '--size', 'big')).toMatchObject({ code: 2 })
  expect(await stowage('route', 'explain', '--purpose', 'delete')).toMatchObject({ code: 2 })
})
