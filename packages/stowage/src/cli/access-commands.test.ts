import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startCli, tempDir } from '@stowage/test-support'
import { describe, expect, it } from 'vitest'
import { runIn } from './testing.ts'

async function world() {
  const cwd = tempDir('access')
  for (const name of ['a', 'b', 'data/train']) mkdirSync(join(cwd, name), { recursive: true })
  const presign = { baseUrl: 'http://127.0.0.1:1/files/', secret: { env: 'URL_SECRET' } }
  writeFileSync(
    join(cwd, 'stowage.config.json'),
    JSON.stringify({
      sources: [
        { id: 'a', type: 'filesystem', root: 'a', presign },
        { id: 'b', type: 'filesystem', root: 'b', presign },
      ],
      catalog: { type: 'sqlite', path: 'catalog.db' },
      routing: { nodes: { gpu: { mounts: { b: '/mnt/b' } } } },
      policies: [
        { id: 'p', on: 'publish', from: 'a', to: 'b' },
        { id: 'q', on: 'publish', from: 'b', to: 'a' },
      ],
    }),
  )
  for (let i = 0; i < 60; i++) writeFileSync(join(cwd, 'data/train', `${i}.bin`), Buffer.alloc(20_000, i))
  const env = { URL_SECRET: 'the-secret-of-these-urls-is-long-enough' }
  const stowage = (...args: string[]) => runIn(cwd, args, { env })
  expect((await stowage('dataset', 'create', 'cats')).code).toBe(0)
  expect((await stowage('dataset', 'put', 'cats', 'data')).code).toBe(0)
  return { cwd, stowage, env }
}

describe('stowage dataset access', () => {
  it('prints ways to a file, to a folder, and the manifest of all files', async () => {
    const { cwd, stowage } = await world()
    const url = await stowage('dataset', 'access', 'cats', 'train/1.bin', '--json')
    expect(url.json.alternatives.map((a: { url: string }) => a.url)).toEqual([
      expect.stringContaining('http://127.0.0.1:1/files/'),
      expect.stringContaining('http://127.0.0.1:1/files/'),
    ])
    const folder = await stowage('dataset', 'access', 'cats', '--mode', 'mount', '--node', 'gpu')
    expect(folder.stdout).toMatch(/^b\t\/mnt\/b\/datasets\/\w+\/\w+\/\n$/)
    const printed = await stowage(
      'dataset',
      'access',
      'cats',
      '--mode',
      'manifest',
      '--prefix',
      'train/1',
      '--limit',
      '5',
    )
    const lines = printed.stdout.trim().split('\n')
    expect(lines).toHaveLength(7)
    expect(JSON.parse(lines.at(-1) as string)).toEqual({ end: true, files: 5, next: 'train/13.bin' })

    const written = await stowage('dataset', 'access', 'cats', '--mode', 'manifest', '--output', 'cats.jsonl', '--json')
    expect(written.json).toMatchObject({ version: 1, output: join(cwd, 'cats.jsonl') })
    expect(readFileSync(join(cwd, 'cats.jsonl'), 'utf8').trim().split('\n')).toHaveLength(62)
    // It holds URLs by which anybody can read.
    expect(statSync(join(cwd, 'cats.jsonl')).mode & 0o777).toBe(0o600)
    for (const run of [url, printed, written]) expect(run.stdout + run.stderr).not.toContain('the-secret-of')
  })

  it('prints the bytes of a file and nothing else, from another source when one has them wrong', async () => {
    const { cwd, stowage } = await world()
    const file = (i: number) => Buffer.alloc(20_000, i)
    const printed = await stowage('dataset', 'access', 'cats', 'train/200.bin', '--mode', 'stream')
    expect([printed.code, printed.stdout, printed.stderr]).toEqual([1, '', expect.stringContaining('not-found')])
    const first = await stowage('dataset', 'access', 'cats', 'train/50.bin', '--mode', 'stream')
    expect([first.code, first.stderr, first.bytes.equals(file(50))]).toEqual([0, '', true])
    // What is damaged at the source that comes first is passed by, and told.
    const { alternatives } = (await stowage('dataset', 'access', 'cats', 'train/50.bin', '--json')).json
    const near = join(cwd, alternatives[0].sourceId)
    const names = readdirSync(near, { recursive: true, encoding: 'utf8' })
    const path = join(near, names.find((name) => name.endsWith('train/50.bin')) as string)
    writeFileSync(path, Buffer.alloc(20_000, 9))
    const other = await stowage('dataset', 'access', 'cats', 'train/50.bin', '--mode', 'stream')
    expect([other.code, other.bytes.equals(file(50))]).toEqual([0, true])
    expect(other.stderr).toContain(`went on from ${alternatives[1].sourceId} at byte 0`)
    const args = ['train/50.bin', '--mode', 'stream', '--output', 'fifty', '--json']
    const written = await stowage('dataset', 'access', 'cats', ...args)
    expect(written.json).toMatchObject({ version: 1, size: 20_000, output: join(cwd, 'fifty') })
    expect(readFileSync(join(cwd, 'fifty')).equals(file(50))).toBe(true)
    // Without a right copy nothing of it is given out, and no file appears.
    const last = join(cwd, alternatives[1].sourceId, path.slice(near.length))
    rmSync(last)
    const none = await stowage('dataset', 'access', 'cats', 'train/50.bin', '--mode', 'stream', '--output', 'none')
    expect([none.code, none.stdout]).toEqual([1, ''])
    expect(readdirSync(cwd).filter((name) => name.startsWith('none'))).toEqual([])
  })

  it('stops to read when nobody reads on', async () => {
    const { cwd, env } = await world()
    const run = startCli(['dataset', 'access', 'cats', 'train/1.bin', '--mode', 'stream'], { cwd, env })
    run.process.stdout?.destroy()
    expect((await run.done).code).toBe(0)
  })

  it('refuses what makes no sense with exit 2', async () => {
    const { cwd, stowage } = await world()
    for (const args of [
      ['--mode', 'ftp', 'x'],
      [],
      ['--mode', 'stream'],
      ['--mode', 'stream', 'train/1.bin', '--json'],
      ['--mode', 'manifest', '--json'],
      ['--mode', 'manifest', '--node', 'x'],
      ['--mode', 'manifest', '--limit', '0'],
    ]) {
      expect((await stowage('dataset', 'access', 'cats', ...args)).code, args.join(' ')).toBe(2)
    }
    expect(readdirSync(cwd).filter((name) => name.includes('part'))).toEqual([])
  })
})

describe('stowage dataset materialize', () => {
  it('makes a folder, again without fetching, by links and by copies', async () => {
    const { cwd, stowage } = await world()
    const make = (dir: string, ...more: string[]) =>
      stowage('dataset', 'materialize', 'cats', dir, '--cache', 'cache', '--json', ...more)
    expect((await make('one')).json).toMatchObject({ files: 60, fetched: 60, hardLinks: 60 })
    expect((await make('one')).json).toMatchObject({ files: 60, present: 60 })
    expect((await make('two', '--copy', '--verify-all')).json).toMatchObject({ files: 60, reused: 60, copies: 60 })
    expect((await make('three', '--mount')).json).toMatchObject({ symbolicLinks: 60 })
    expect(readFileSync(join(cwd, 'three/train/7.bin')).equals(Buffer.alloc(20_000, 7))).toBe(true)
    expect((await stowage('dataset', 'materialize', 'cats', 'data', '--cache', 'cache')).code).toBe(3)
    expect((await stowage('dataset', 'materialize', 'cats', 'x', '--cache', 'cache', '--max-cache', 'x')).code).toBe(2)
  })

  it('killed again and again, and two at once, it ends with every file right', async () => {
    const { cwd, env } = await world()
    const args = ['dataset', 'materialize', 'cats', 'out', '--cache', 'cache', '--json', '--concurrency', '1']
    const isWhole = () =>
      existsSync(join(cwd, 'out/train')) &&
      readdirSync(join(cwd, 'out/train')).every((name) => {
        const bytes = readFileSync(join(cwd, 'out/train', name))
        return bytes.equals(Buffer.alloc(20_000, Number.parseInt(name, 10)))
      })
    for (let kills = 0; kills < 2; kills++) {
      const run = startCli(args, { cwd, env })
      const wanted = (kills + 1) * 15
      // Until some files are there: then it is killed in the middle of the others.
      while (run.process.exitCode === null) {
        const made = existsSync(join(cwd, 'out/train')) ? readdirSync(join(cwd, 'out/train')).length : 0
        if (made >= wanted) break
        await new Promise((resolve) => setTimeout(resolve, 2))
      }
      await run.kill()
      expect(isWhole()).toBe(true)
    }
    const runs = await Promise.all([startCli(args, { cwd, env }).done, startCli(args, { cwd, env }).done])
    for (const { code, stderr, stdout } of runs) {
      expect(code, stderr).toBe(0)
      expect(JSON.parse(stdout).files).toBe(60)
    }
    expect(isWhole()).toBe(true)
    expect(readdirSync(join(cwd, 'out/train'))).toHaveLength(60)
    const fetched = runs.map(({ stdout }) => JSON.parse(stdout).fetched as number)
    console.log(`two processes fetched ${fetched.join(' and ')} of the files that were left`)
  })
})
