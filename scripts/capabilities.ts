/**
 * The README's table of what each store can do, made from the capability records.
 *
 *   node --conditions=stowage-source scripts/capabilities.ts            prints what is wrong with the README's
 *   node --conditions=stowage-source scripts/capabilities.ts --write    makes it right
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createAdapter } from '@stowage/adapters'
import type { Capabilities } from '@stowage/core'

const root = join(import.meta.dirname, '..')
const readme = join(root, 'README.md')
const [begin, end] = ['<!-- capabilities -->', '<!-- /capabilities -->']

const at = { bucket: 'datasets', region: 'cn-hangzhou', accessKey: 'a', secretKey: 's' }
const presign = { baseUrl: 'https://files.example.com', secret: 'a secret of this table, and of nothing else' }

/** A source of each kind as it comes, and what of it was run on the real thing. */
const stores = [
  { title: 'memory', ran: 'yes', config: { type: 'memory', presign } },
  { title: 'folder', ran: 'yes', config: { type: 'filesystem', root: '/tmp', presign } },
  { title: 'MinIO', ran: 'yes', config: { type: 'minio', endpoint: 'https://minio.example.com', ...at } },
  { title: 'RustFS', ran: 'yes', config: { type: 'rustfs', endpoint: 'https://rustfs.example.com', ...at } },
  { title: 'AWS S3', ran: 'no, on MinIO', config: { type: 's3', ...at } },
  { title: 'OSS', ran: 'no, on a double', config: { type: 'oss', ...at } },
] as const

const sizes: [number, string][] = [
  [1024 ** 4, 'TiB'],
  [1024 ** 3, 'GiB'],
  [1024 ** 2, 'MiB'],
  [1024, 'KiB'],
]

function size(bytes: number): string {
  if (bytes === Number.MAX_SAFE_INTEGER) return 'any'
  const [factor, unit] = sizes.find(([least]) => bytes >= least) ?? [1, 'B']
  return `${bytes / factor} ${unit}`
}

const mark = (value: boolean): string => (value ? 'yes' : '-')
const list = (values: readonly string[]): string => (values.length === 0 ? '-' : values.join(', '))

const rows: [string, (capabilities: Capabilities) => string][] = [
  ['read if unchanged (`ifMatch`)', ({ conditional }) => mark(conditional.get)],
  ['create only', ({ conditional }) => mark(conditional.putCreateOnly)],
  ['replace if unchanged', ({ conditional }) => mark(conditional.putIfMatch)],
  ['complete an upload create only', ({ conditional }) => mark(conditional.completeCreateOnly)],
  ['complete an upload if unchanged', ({ conditional }) => mark(conditional.completeIfMatch === true)],
  ['delete if unchanged', ({ conditional }) => mark(conditional.deleteIfMatch)],
  ['versions', ({ versions }) => mark(versions)],
  ['checksums that are verified', ({ checksums }) => list(checksums)],
  ['largest put', ({ maxPutSize }) => size(maxPutSize)],
  [
    'parts',
    ({ multipart }) =>
      multipart === false ? '-' : `from ${size(multipart.minPartSize)}, ${multipart.maxParts} at most`,
  ],
  [
    'checksum of a whole upload',
    ({ multipart }) => (multipart === false ? '-' : list(multipart.objectChecksums ?? [])),
  ],
  ['streams of unknown length', ({ unknownSize }) => mark(unknownSize)],
  ['copy within the store', ({ serverSideCopy }) => mark(serverSideCopy !== false)],
  ['presigned', (capabilities) => list(capabilities.presign)],
  ['a presigned write is bound', ({ presignedWrites }) => presignedWrites],
  ['a presigned write has a limit', ({ presignMaxSize }) => mark(presignMaxSize)],
  ['tells of changes', ({ notifications }) => notifications.replace('none', '-')],
  ['tags', ({ tags }) => mark(tags)],
  ['storage classes', ({ storageClasses }) => mark(storageClasses)],
  ['archive and restore', ({ archive }) => mark(archive)],
  ['metadata', ({ metadata }) => metadata],
  ['paths for other programs', ({ mount }) => mark(mount)],
  ['`a` beside `a/b`', ({ keys }) => mark(keys.objectAndFolder)],
]

async function table(): Promise<string> {
  const records = await Promise.all(
    stores.map(async ({ config }) => {
      const adapter = await createAdapter({ id: 'x', ...config })
      const { capabilities } = adapter
      await adapter.close()
      return capabilities
    }),
  )
  const lines = [
    ['', ...stores.map(({ title }) => title)],
    ['---', ...stores.map(() => '---')],
    ['run on the real thing', ...stores.map(({ ran }) => ran)],
    ...rows.map(([title, cell]) => [title, ...records.map(cell)]),
  ]
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

const before = readFileSync(readme, 'utf8')
const [head, tail] = [before.indexOf(begin), before.indexOf(end)]
if (head < 0 || tail < 0) throw new Error(`README.md needs the lines ${begin} and ${end}`)
const after = `${before.slice(0, head + begin.length)}\n\n${await table()}\n\n${before.slice(tail)}`
if (process.argv.includes('--write')) writeFileSync(readme, after)
else if (after !== before) {
  console.error('The table of capabilities in README.md is not what the adapters say.')
  console.error('Run: node --conditions=stowage-source scripts/capabilities.ts --write')
  process.exitCode = 1
}
