import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BLOCK_SIZE } from '@stowage/core'
import { tempDir } from '@stowage/test-support'
import { beforeEach, describe, expect, it } from 'vitest'
import { type Ran, runIn } from './testing.ts'

let cwd: string

const stowage = (...args: string[]): Promise<Ran> => runIn(cwd, args)

/** The file of this name in a source's folder. */
function fileIn(source: string, name: string): string {
  const all = readdirSync(join(cwd, source), { recursive: true, encoding: 'utf8' })
  const found = all.find((path) => path.endsWith(`/${name}`))
  if (found === undefined) throw new Error(`no ${name} in ${all.join()}`)
  return join(cwd, source, found)
}

function flip(path: string, at: number): void {
  const bytes = readFileSync(path)
  bytes[at] = (bytes[at] ?? 0) ^ 1
  writeFileSync(path, bytes)
}

const large = Buffer.alloc(2 * BLOCK_SIZE + 5, 'stowage ')

beforeEach(async () => {
  cwd = tempDir('cli')
  for (const folder of ['a', 'b', 'data']) mkdirSync(join(cwd, folder))
  const config = {
    sources: [
      { id: 'a', type: 'filesystem', root: './a', isPublic: true },
      { id: 'b', type: 'filesystem', root: './b' },
    ],
    policies: [{ id: 'inward', on: 'publish', from: 'a', to: 'b' }],
    scrub: { everyDays: 7 },
  }
  writeFileSync(join(cwd, 'stowage.config.json'), JSON.stringify(config))
  writeFileSync(join(cwd, 'data', 'large'), large)
  writeFileSync(join(cwd, 'data', 'small'), 'small')
  expect((await stowage('dataset', 'create', 'cats')).code).toBe(0)
  expect((await stowage('dataset', 'put', 'cats', 'data', '--user-type', 'external')).code).toBe(0)
})

describe('stowage verify DATASET', () => {
  it('reads every replica, names what is bad, mends it when told to, and shows it with the dataset', async () => {
    const clean = await stowage('verify', 'cats', '--json')
    expect(clean).toMatchObject({ code: 0, json: { clean: true, files: 4, bad: 0, versions: [1] } })
    flip(fileIn('b', 'large'), BLOCK_SIZE + 1)
    rmSync(fileIn('a', 'small'))
    const bad = await stowage('verify', 'cats@1')
    expect(bad.code).toBe(1)
    expect(bad.stdout).toMatch(/^damaged: 4 files, .* 2 bad, 0 mended/)
    expect(bad.stderr).toContain('bad: "large" of version 1 on b [digest] Its bytes are wrong in block 1')
    expect(bad.stderr).toContain('bad: "small" of version 1 on a [missing]')
    expect((await stowage('dataset', 'show', 'cats')).stdout).toContain('1 damaged')
    const mended = await stowage('verify', 'cats', '--repair', '--json')
    expect(mended).toMatchObject({ code: 0, json: { clean: true, bad: 2, mended: 2 } })
    expect(readFileSync(fileIn('b', 'large')).equals(large)).toBe(true)
    expect(readFileSync(fileIn('a', 'small'), 'utf8')).toBe('small')
    expect((await stowage('dataset', 'show', 'cats', '--json')).json.scrubs).toMatchObject([
      { damaged: 0, last: null },
      { damaged: 0, last: null },
    ])
  })

  it('lists what could not be mended, with exit 1', async () => {
    for (const source of ['a', 'b']) flip(fileIn(source, 'small'), 0)
    const ran = await stowage('verify', 'cats', '--repair', '--json')
    expect(ran).toMatchObject({ code: 1, json: { clean: false, bad: 2, mended: 0, findings: [{ lost: true }, {}] } })
    expect(ran.stderr).toContain('no good copy is left: "small" of version 1 on a')
  })

  it('looks at one source when told so, and refuses what it does not know', async () => {
    flip(fileIn('b', 'small'), 0)
    expect((await stowage('verify', 'cats', '--source', 'a')).code).toBe(0)
    expect((await stowage('verify', 'cats', '--source', 'b')).code).toBe(1)
    expect((await stowage('verify', 'cats', '--source', 'nowhere')).code).toBe(2)
    expect((await stowage('verify', 'dogs')).code).toBe(1)
    expect((await stowage('verify', 'cats@9')).code).toBe(1)
    expect((await stowage('verify', 'a:')).code).toBe(2)
    expect((await stowage('verify', 'a:', 'b:', '--repair')).code).toBe(2)
    expect((await stowage('verify', 'a:', 'a:')).code).toBe(0)
  })

  it('takes a folder that is away for one thing, and does not fill it', async () => {
    const place = join(cwd, 'b', 'datasets')
    renameSync(place, join(cwd, 'away'))
    const ran = await stowage('verify', 'cats', '--repair', '--json')
    expect(ran).toMatchObject({ code: 1, json: { bad: 1, mended: 0, findings: [{ name: 'the whole replica' }] } })
    renameSync(join(cwd, 'away'), place)
    expect(await stowage('verify', 'cats', '--json')).toMatchObject({ code: 0, json: { bad: 0 } })
  })
})

describe('stowage scrub', () => {
  it('tells how far it is, and does what is due', async () => {
    const { json } = await stowage('scrub', 'status', '--json')
    expect(json).toMatchObject([
      { sourceId: 'a', versions: [1], last: null, problem: null, damaged: 0 },
      { sourceId: 'b', versions: [1], last: null, problem: null, damaged: 0 },
    ])
    expect((await stowage('scrub', 'status')).stdout).toContain('never')
    expect(await stowage('scrub', 'run', '--json')).toMatchObject({ code: 0, json: { files: 0, bad: 0 } })
    flip(fileIn('a', 'small'), 0)
    await stowage('verify', 'cats')
    // What a verify left bad is due at once.
    const ran = await stowage('scrub', 'run')
    expect(ran).toMatchObject({ code: 0 })
    expect(ran.stdout).toContain('1 bad, 1 mended')
    expect((await stowage('scrub', 'run', '--budget', '1K')).code).toBe(2)
    expect((await stowage('scrub', 'run', '--source', 'nowhere')).code).toBe(2)
  })
})
