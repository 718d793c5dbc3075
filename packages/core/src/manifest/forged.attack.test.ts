import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { expectCode } from '../testing/index.ts'
import { Manifest, rangeKey, rootKey, sha256 } from './index.ts'

const digest = 'a'.repeat(64)
type Line = unknown[] | string

/** A manifest whose digests are all right, whatever it says. */
function forge(lines: Line[], range: object = {}, root: object = {}) {
  const body = Buffer.from(lines.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join(''))
  const paths = lines.map((line) => String(line[0]))
  const size = lines.reduce((sum, line) => sum + (Number(line[2]) || 0), 0)
  const ranges = [{ digest: sha256(body), first: paths[0], last: paths.at(-1), count: lines.length, size, ...range }]
  const top = Buffer.from(JSON.stringify({ format: 1, ranges, fileCount: lines.length, size, ...root }))
  const objects = new Map([
    [rangeKey(sha256(body)), gzipSync(body)],
    [rootKey(sha256(top)), gzipSync(top)],
  ])
  const get = async (key: string): Promise<Uint8Array> => objects.get(key) ?? Buffer.of()
  const read = async (): Promise<string[]> => {
    const manifest = await Manifest.open(sha256(top), get)
    const read: string[] = []
    for await (const { path } of manifest.entries()) read.push(path)
    return read
  }
  return { read }
}

describe('a manifest that somebody forged', () => {
  it('is read when nothing is wrong with it', async () => {
    const lines = [
      ['a/b', 'd/a/b', 1, digest],
      ['c..d/.e', 'd/c', 0, digest, 'text/plain'],
    ]
    expect(await forge(lines).read()).toEqual(['a/b', 'c..d/.e'])
    expect(await forge([], {}, { ranges: [] }).read()).toEqual([])
  })

  it.each<[string, Line[], object?, object?]>([
    ['a key that leads out', [['a', 'd/../../other/secret', 1, digest]]],
    ['a key of ours', [['a', '.stowage/root.json', 1, digest]]],
    ['a size below nothing', [['a', 'd/a', -5, digest]]],
    ['a size that is a text', [['a', 'd/a', '5', digest]]],
    ['a digest that is none', [['a', 'd/a', 5, '../x']]],
    ['a line that is no list', ['{"path":"a"}']],
    ['a line that is no JSON', ['x']],
    [
      'paths that do not rise',
      [
        ['b', 'd/b', 5, digest],
        ['a', 'd/a', 5, digest],
      ],
      { first: 'b', last: 'a' },
    ],
    [
      'one path twice',
      [
        ['a', 'd/b', 5, digest],
        ['a', 'd/a', 5, digest],
      ],
    ],
    ['paths beyond their range', [['m', 'd/b', 5, digest]], { first: 'l', last: 'z' }],
    ['fewer entries than it says', [['m', 'd/b', 5, digest]], { count: 7 }, { fileCount: 7 }],
    ['sums that are wrong', [['m', 'd/b', 5, digest]], {}, { size: 4 }],
    ['no ranges', [['m', 'd/b', 5, digest]], {}, { ranges: 'x' }],
    ['a range that is none', [['m', 'd/b', 5, digest]], {}, { ranges: [null] }],
    ['a range with a name that leads out', [['m', 'd/b', 5, digest]], { digest: '../../x' }],
  ])('is refused for %s', async (_, lines, range, root) => {
    await expectCode(forge(lines, range, root).read(), 'integrity')
  })

  it('is refused for ranges that overlap', async () => {
    const range = (first: string, last: string) => ({ digest, first, last, count: 1, size: 1 })
    const root = { ranges: [range('a', 'm'), range('m', 'z')], fileCount: 2, size: 2 }
    await expectCode(forge([['m', 'd/b', 1, digest]], {}, root).read(), 'integrity')
  })
})
