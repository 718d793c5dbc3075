import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { tempDir, testSecret } from '@stowage/test-support'
import { beforeEach, describe, expect, it } from 'vitest'
import { type Ran, runIn } from './testing.ts'

let cwd: string
let a: string
let b: string

const stowage = (...args: string[]): Promise<Ran> => runIn(cwd, args)

const stowageWith = (options: Parameters<typeof runIn>[2], ...args: string[]): Promise<Ran> => runIn(cwd, args, options)

function configure(extra: object = {}): void {
  const config = {
    sources: [
      { id: 'a', type: 'filesystem', root: './a', isPublic: true, region: 'cn-hz' },
      { id: 'b', type: 'filesystem', root: './b', region: 'cn-sz' },
    ],
    policies: [{ id: 'inward', on: 'publish', from: 'a', to: 'b' }],
    ...extra,
  }
  writeFileSync(join(cwd, 'stowage.config.json'), JSON.stringify(config))
}

beforeEach(() => {
  cwd = tempDir('cli')
  a = join(cwd, 'a')
  b = join(cwd, 'b')
  mkdirSync(join(a, 'raw', 'deep'), { recursive: true })
  mkdirSync(b)
  configure()
  writeFileSync(join(a, 'raw', 'one.txt'), 'one')
  writeFileSync(join(a, 'raw', 'deep', 'two words+%25.txt'), 'two')
  writeFileSync(join(a, 'raw', 'empty'), '')
  writeFileSync(join(a, 'raw', '数据\u{1f431}'), 'cat')
})

describe('stowage sync', () => {
  it('says so when nothing lies under FROM, as where a folder is misspelt', async () => {
    const none = await stowage('sync', 'a:rwa', 'b:copy')
    expect(none).toMatchObject({ code: 0, stderr: expect.stringContaining('nothing that takes part lies under a:rwa') })
    const some = await stowage('sync', 'a:raw', 'b:copy')
    expect(some.stderr).not.toContain('lies under')
  })

  it('makes TO hold what FROM holds, moves nothing the second time, and verify agrees', async () => {
    const first = await stowage('sync', 'a:raw', 'b:copy', '--json')
    expect(first.json).toMatchObject({
      status: 'success',
      objects: { copied: 4, skipped: 0, deleted: 0, failed: 0, conflicts: 0 },
      bytes: { transferred: 9, total: 9, resumed: 0 },
      errors: [],
    })
    expect(first.json.taskId).toBeTruthy()
    expect(first.code).toBe(0)
    expect(readFileSync(join(b, 'copy', '数据\u{1f431}'), 'utf8')).toBe('cat')
    const second = await stowage('sync', 'a:raw', 'b:copy', '--json')
    expect(second.json).toMatchObject({
      status: 'success',
      objects: { copied: 0, skipped: 4 },
      bytes: { transferred: 0 },
    })
    expect(await stowage('verify', 'a:raw', 'b:copy', '--json')).toMatchObject({
      code: 0,
      json: { identical: true, objects: { same: 4 } },
    })
  })

  it('notices a change of the same size by its time, and with the time kept by --checksum', async () => {
    await stowage('sync', 'a:raw', 'b:copy')
    const path = join(a, 'raw', 'one.txt')
    const { atime, mtime } = statSync(path)
    writeFileSync(path, 'ONE')
    utimesSync(path, atime, new Date(mtime.getTime() + 5))
    expect((await stowage('sync', 'a:raw', 'b:copy', '--json')).json.objects).toMatchObject({ copied: 1, skipped: 3 })
    const now = statSync(path)
    writeFileSync(path, 'oNe')
    utimesSync(path, now.atime, now.mtime)
    expect((await stowage('verify', 'a:raw', 'b:copy', '--json')).code).toBe(1)
    expect((await stowage('sync', 'a:raw', 'b:copy', '--checksum', '--json')).json.objects).toMatchObject({
      copied: 1,
      skipped: 3,
    })
    expect((await stowage('verify', 'a:raw', 'b:copy', '--json')).code).toBe(0)
  })

  it('deletes only when told to, within the cap, and never a neighbour of the prefix', async () => {
    mkdirSync(join(b, 'copy-precious'))
    writeFileSync(join(b, 'copy-precious', 'keep'), 'keep')
    await stowage('sync', 'a:raw', 'b:copy')
    rmSync(join(a, 'raw', 'one.txt'))
    expect((await stowage('sync', 'a:raw', 'b:copy', '--json')).json.objects.deleted).toBe(0)
    const dry = await stowage('sync', 'a:raw', 'b:copy', '--delete', '--dry-run', '--json')
    expect(dry.json).toMatchObject({
      objects: { deleted: 1 },
      planned: [{ action: 'delete', at: 'to', key: 'one.txt' }],
    })
    writeFileSync(join(a, 'raw', 'two\n.txt'), 'two')
    const named = await stowage('sync', 'a:raw/', 'b:copy', '--delete', '--dry-run')
    expect(named.stdout.split('\n').slice(0, 2)).toEqual(['copy   b:copy/two\\x0a.txt (3 B)', 'delete b:copy/one.txt'])
    expect((await stowage('sync', 'a:raw', 'b:copy', '--delete', '--dry-run', '--quiet')).stdout).toBe('')
    rmSync(join(a, 'raw', 'two\n.txt'))
    expect(readdirSync(join(b, 'copy'))).toContain('one.txt')
    expect((await stowage('sync', 'a:raw', 'b:copy', '--delete', '--json')).json.objects.deleted).toBe(1)
    expect(readdirSync(join(b, 'copy'))).not.toContain('one.txt')
    rmSync(join(a, 'raw', 'empty'))
    rmSync(join(a, 'raw', 'deep'), { recursive: true })
    expect((await stowage('sync', 'a:raw', 'b:copy', '--delete')).code).toBe(3)
    const tooMany = await stowage('sync', 'a:raw', 'b:copy', '--delete', '--dry-run')
    expect(tooMany.code).toBe(3)
    expect(tooMany.stdout).toContain('delete b:copy/empty\n')
    expect(readdirSync(join(b, 'copy'))).toContain('empty')
    expect((await stowage('sync', 'a:raw', 'b:copy', '--delete', '--max-delete', '90%')).code).toBe(0)
    rmSync(join(a, 'raw'), { recursive: true })
    mkdirSync(join(a, 'raw'))
    expect((await stowage('sync', 'a:raw', 'b:copy', '--delete', '--max-delete', '100%')).code).toBe(3)
    expect(readdirSync(join(b, 'copy'))).not.toEqual([])
    expect((await stowage('sync', 'a:raw', 'b:copy', '--delete', '--max-delete', '100%', '--allow-empty')).code).toBe(0)
    expect(readFileSync(join(b, 'copy-precious', 'keep'), 'utf8')).toBe('keep')
  })

  it('honours include and exclude on both sides', async () => {
    mkdirSync(join(b, 'copy'))
    writeFileSync(join(b, 'copy', 'left.log'), 'x')
    const result = await stowage(
      'sync',
      'a:raw',
      'b:copy',
      '--exclude',
      '*.log',
      '--exclude',
      'deep/**',
      '--delete',
      '--json',
    )
    expect(result.json.objects).toMatchObject({ copied: 3, deleted: 0 })
    expect(readdirSync(join(b, 'copy')).sort()).toEqual(['empty', 'left.log', 'one.txt', '数据\u{1f431}'].sort())
  })

  it('leaves out what is too small or too new', async () => {
    const few = await stowage('sync', 'a:raw', 'b:copy', '--min-size', '1', '--max-size', '1G', '--json')
    expect(few.json).toMatchObject({ status: 'success', objects: { copied: 3, failed: 0 } })
    expect(readdirSync(join(b, 'copy'))).not.toContain('empty')
    const none = await stowage('sync', 'a:raw', 'b:later', '--min-age', '7d', '--json')
    expect(none.json).toMatchObject({ status: 'success', objects: { copied: 0 } })
    const wrong = await stowage('sync', 'a:raw', 'b:copy', '--min-age', 'soon')
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('36h')])
  })

  it('stops with 75 when it was told to stop, and goes on afterwards', async () => {
    const stop = new AbortController()
    stop.abort()
    expect((await stowageWith({ signal: stop.signal }, 'sync', 'a:raw', 'b:copy')).code).toBe(75)
    expect((await stowage('sync', 'a:raw', 'b:copy', '--json')).json).toMatchObject({
      status: 'success',
      objects: { copied: 4 },
    })
  })

  it('reports what cannot be an object, and links that lead out', async () => {
    symlinkSync('/etc/hostname', join(a, 'raw', 'out'))
    const result = await stowage('sync', 'a:raw', 'b:copy')
    expect(result.code).toBe(0)
    expect(result.stderr).toContain('out')
    expect(readdirSync(join(b, 'copy'))).not.toContain('out')
  })

  it('overlapping places and managed roots stop for safety', async () => {
    expect((await stowage('sync', 'a:raw', 'a:raw/deep')).code).toBe(3)
    expect((await stowage('sync', 'a:', 'a:raw')).code).toBe(3)
    await stowage('dataset', 'create', 'cats')
    await stowage('dataset', 'put', 'cats', 'a/raw', '--user-type', 'external')
    const inA = readdirSync(join(a, 'datasets'))
    mkdirSync(join(b, 'nothing'))
    for (const to of ['a:datasets', `a:datasets/${inA[0]}`, `a:datasets/${inA[0]}/sub`]) {
      const result = await stowage('sync', 'b:nothing', to, '--delete', '--allow-empty', '--max-delete', '100')
      expect(result.code, to).toBe(3)
    }
    expect((await stowage('dataset', 'get', 'cats', 'out')).code).toBe(0)
  })

  it('a file that cannot be read is one failed object', async () => {
    writeFileSync(join(a, 'raw', 'secret'), 'x')
    chmodSync(join(a, 'raw', 'secret'), 0)
    const result = await stowage('sync', 'a:raw', 'b:copy', '--json')
    if (process.getuid?.() === 0) {
      // The superuser reads it all the same.
      expect(result.code).toBe(0)
      return
    }
    expect(result.code).toBe(1)
    expect(result.json.errors).toMatchObject([{ key: 'secret', code: 'access-denied' }])
  })
})

describe('stowage dataset', () => {
  it('create, put, list, show, get, url and the sync that follows', async () => {
    expect((await stowage('dataset', 'create', 'cats', '--tag', 'pets', '--json')).json).toMatchObject({
      name: 'cats',
      version: 0,
      status: 'uploading',
    })
    const put = await stowage(
      'dataset',
      'put',
      'cats',
      'a/raw',
      '--user-type',
      'external',
      '--message',
      'first',
      '--json',
    )
    expect(put.json).toMatchObject({
      sourceId: 'a',
      version: { number: 1, fileCount: 4, message: 'first' },
      replications: [{ policyId: 'inward', status: 'success', from: 'a', to: 'b' }],
    })
    expect((await stowage('dataset', 'list', '--json')).json).toMatchObject([
      { name: 'cats', version: 1, fileCount: 4 },
    ])
    expect((await stowage('dataset', 'show', 'cats', '--json')).json).toMatchObject({
      status: 'ready',
      tags: ['pets'],
      replicas: [{ sourceId: 'a' }, { sourceId: 'b' }],
    })
    const get = await stowage('dataset', 'get', 'cats', 'out', '--region', 'cn-sz', '--json')
    expect(get.json).toMatchObject({ files: 4, bytes: 9 })
    expect(readFileSync(join(cwd, 'out', 'deep', 'two words+%25.txt'), 'utf8')).toBe('two')
    const mount = await stowage('dataset', 'url', 'cats', 'one.txt', '--mount', '--region', 'cn-sz', '--json')
    expect(mount.json.alternatives.map((x: { sourceId: string }) => x.sourceId)).toEqual(['b', 'a'])
    expect(readFileSync(mount.json.alternatives[0].mountPath, 'utf8')).toBe('one')
    const url = await stowage('dataset', 'url', 'cats', 'one.txt')
    expect(url.code).toBe(1)
    expect(url.stderr).toContain('[not-supported]')
    const tasks = await stowage('task', 'list', '--json')
    expect(tasks.json[0]).toMatchObject({ status: 'success' })
    expect((await stowage('task', 'show', tasks.json[0].id)).stdout).toContain('success')
    expect((await stowage('task', 'cancel', tasks.json[0].id)).stdout).toContain('had ended before: success')
    expect((await stowage('task', 'retry', put.json.replications[0].taskId, '--json')).json).toMatchObject({
      status: 'success',
      objects: { copied: 0, skipped: 4 },
    })
  })

  it('route explain says which source and why', async () => {
    const external = await stowage('route', 'explain', '--purpose', 'write', '--user-type', 'external', '--json')
    expect(external.json.candidates[0].sourceId).toBe('a')
    const inside = await stowage('route', 'explain', '--purpose', 'write', '--user-type', 'internal')
    expect(inside.stdout).toMatch(/1\s+b/)
    expect(inside.code).toBe(0)
  })

  it('source list and test', async () => {
    expect((await stowage('source', 'list', '--json')).json).toMatchObject([
      { id: 'a', status: 'active', isPublic: true },
      { id: 'b' },
    ])
    expect((await stowage('source', 'test')).code).toBe(0)
    rmSync(b, { recursive: true })
    const broken = await stowage('source', 'test', '--json')
    expect(broken.code).toBe(1)
    expect(broken.json).toMatchObject([
      { id: 'a', ok: true },
      { id: 'b', ok: false, error: { code: 'bucket-not-found' } },
    ])
  })
})

describe('bad input ends in one line with a code, the right exit code and no stack', () => {
  const cases: [string, number, string, string[], object?][] = [
    ['unknown command', 2, 'configuration', ['frobnicate']],
    ['unknown option', 2, 'configuration', ['sync', 'a:', 'b:', '--frob']],
    ['missing argument', 2, 'configuration', ['sync', 'a:']],
    ['bad number', 2, 'configuration', ['sync', 'a:', 'b:', '--concurrency', '0']],
    ['unknown source', 2, 'configuration', ['sync', 'zzz:x', 'b:']],
    ['no location', 2, 'configuration', ['sync', 'raw', 'b:']],
    ['unknown key', 2, 'configuration', ['source', 'list'], { sauces: [] }],
    [
      'missing variable',
      2,
      'configuration',
      ['source', 'list'],
      { sources: [{ id: 'a', type: 'filesystem', root: { env: 'NO_SUCH_VARIABLE' } }] },
    ],
    ['bad rule', 2, 'configuration', ['source', 'list'], { routing: { rules: [{ id: 5 }] } }],
    ['unknown dataset', 1, 'not-found', ['dataset', 'show', 'nothing']],
    ['unknown task', 1, 'not-found', ['task', 'show', 'nothing']],
    ['wrong user type', 2, 'configuration', ['route', 'explain', '--user-type', 'alien']],
    ['nothing to upload', 2, 'configuration', ['dataset', 'put', 'cats', 'no-such-folder']],
    ['unreachable endpoint', 3, 'unavailable', ['sync', 'lan:', 'b:'], lan('http://127.0.0.1:1')],
    ['unreachable target', 3, 'unavailable', ['sync', 'b:', 'lan:'], lan('http://127.0.0.1:1')],
    [
      'a source folder that is missing',
      3,
      'bucket-not-found',
      ['sync', 'gone:', 'b:'],
      {
        sources: [
          { id: 'gone', type: 'filesystem', root: './gone' },
          { id: 'b', type: 'filesystem', root: './b' },
        ],
      },
    ],
  ]

  function lan(endpoint: string): object {
    return {
      sources: [
        { id: 'lan', type: 'minio', endpoint, bucket: 'x', accessKey: 'AK', secretKey: testSecret('cli') },
        { id: 'b', type: 'filesystem', root: './b' },
      ],
      policies: [],
    }
  }

  /** For people and for programs; at the same time where both wait long for a store, and at other places then, so that none waits for the other. */
  async function twice([first = '', from = '', to = '', ...more]: string[]): Promise<[Ran, Ran]> {
    if (first !== 'sync' || ![from, to].includes('lan:')) {
      const args = [first, from, to, ...more].filter((arg) => arg !== '')
      return [await stowage(...args), await stowage(...args, '--json')]
    }
    return Promise.all([stowage(first, from, to), stowage(first, `${from}else`, `${to}else`, '--json')])
  }

  it.each(cases)('%s', async (_, code, errorCode, args, extra) => {
    configure(extra === undefined ? {} : { policies: [], ...extra })
    await stowage('dataset', 'create', 'cats')
    const [result, json] = await twice(args)
    expect(result.stderr).toMatch(new RegExp(`^stowage: error \\[${errorCode}\\]: .+\n$`))
    expect(result.stdout).toBe('')
    expect(result.code).toBe(code)
    expect(result.stderr + result.stdout).not.toContain(testSecret('cli'))
    expect(json.json.error).toMatchObject({ code: errorCode })
    // Usage errors are told by the parser, which names the option.
    if (!['frobnicate', 'sync'].includes(args[0] ?? '') || code === 3) expect(json.json.error.hint).toBeTruthy()
    expect(json.code).toBe(code)
  })

  it('shows the stack only with --verbose', async () => {
    expect((await stowage('dataset', 'show', 'nothing')).stderr).not.toContain('    at ')
    expect((await stowage('dataset', 'show', 'nothing', '--verbose')).stderr).toContain('    at ')
  })

  it('says what there is to choose from', async () => {
    expect((await stowage('sync', 'zzz:x', 'b:')).stderr).toContain('a, b')
  })

  it('--version and --help', async () => {
    expect((await stowage('--version')).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
    expect(await stowage('--help')).toMatchObject({ code: 0 })
    expect((await stowage('sync', '--help')).stdout).toContain('--max-delete')
  })
})
