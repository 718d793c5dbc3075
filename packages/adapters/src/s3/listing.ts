import { compareKeys, type ListOptions, type ListPage, StowageError } from '@stowage/core'
import { canBePrefix } from '../shared/index.ts'
import type { PageAnswer } from './data-path.ts'
import type { S3Context } from './objects.ts'

/** The pages of a listing, whatever position it begins at. */
export async function* listObjects(context: S3Context, options: ListOptions): AsyncGenerator<ListPage> {
  const { adapter, connection } = context
  connection.begin(options.signal)
  const prefix = options.prefix ?? ''
  const startAfter = options.startAfter ?? ''
  if (!canBePrefix(adapter, prefix)) return
  const passed = options.delimiter === undefined ? undefined : folderOf(startAfter, prefix)
  if (passed !== undefined) {
    // Stores differ on a folder that the position lies in: some leave it out. It counts as long as a key in it does.
    const { delimiter: _, ...flat } = options
    for await (const page of listObjects(context, { ...flat, prefix: passed, pageSize: 1 })) {
      if (page.objects.length === 0) continue
      yield { objects: [], prefixes: [passed] }
      break
    }
  }
  const position = passed === undefined ? startAfter : `${passed}\u{10ffff}`
  const asked = adapter.capabilities.keys.dotSegments
    ? { ...options, startAfter: position }
    : { ...options, prefix: withoutDotPart(prefix), startAfter: beforeDotPart(position) }
  for await (const page of answeredPages(context, asked)) {
    page.objects = page.objects.filter(({ key }) => key.startsWith(prefix) && compareKeys(key, position) > 0)
    page.prefixes = page.prefixes.filter((folder) => folder.startsWith(prefix) && compareKeys(folder, position) > 0)
    if (page.objects.length + page.prefixes.length > 0) yield page
  }
}

/** The folder below the prefix that a position lies in, if it lies in one. */
function folderOf(position: string, prefix: string): string | undefined {
  const slash = position.startsWith(prefix) ? position.indexOf('/', prefix.length) : -1
  return slash < 0 ? undefined : position.slice(0, slash + 1)
}

/** Some stores refuse `.` and `..` as parts of a path even where a listing only names a position. So less far is asked for. */
function withoutDotPart(prefix: string): string {
  return prefix.replace(/(^|\/)\.{1,2}$/, '$1')
}

function beforeDotPart(position: string): string {
  return position.replace(/(^|\/)\.{1,2}(\/.*)?$/s, '$1')
}

/** The pages as the store answers. Each is held against the one before: a listing that does not rise would loop or lose objects. */
async function* answeredPages(context: S3Context, asked: ListOptions): AsyncGenerator<ListPage> {
  const { adapter, connection } = context
  const most = adapter.capabilities.listing.pageSize
  let last: string | undefined
  let token: string | undefined
  for (;;) {
    const request = {
      maxKeys: Math.max(1, Math.min(asked.pageSize ?? most, most)),
      prefix: asked.prefix || undefined,
      startAfter: token === undefined ? asked.startAfter || undefined : undefined,
      delimiter: asked.delimiter,
      token,
    }
    const answer = await connection.data({ signal: asked.signal }, (path, flow) => path.page(request, flow))
    const page: ListPage = { objects: answer.objects, prefixes: answer.prefixes }
    assertWhole(context, page, answer)
    assertRising(context, page, last)
    last = lastOf(page) ?? last
    yield page
    if (answer.isTruncated !== true) return
    if (answer.nextToken === undefined || answer.nextToken === token) {
      throw broken(context, 'said that more follows, but not where')
    }
    token = answer.nextToken
  }
}

/** An answer that was cut short may still be read as XML: it must say whether more follows, and hold as many rows as it says. */
function assertWhole(context: S3Context, page: ListPage, answer: PageAnswer): void {
  const rows = page.objects.length + page.prefixes.length
  if (answer.isTruncated === undefined) throw broken(context, 'did not say whether more follows')
  if (answer.keyCount !== undefined && answer.keyCount !== rows) {
    throw broken(context, `announced ${answer.keyCount} rows and listed ${rows}`)
  }
}

function assertRising(context: S3Context, page: ListPage, last: string | undefined): void {
  for (const keys of [page.objects.map((object) => object.key), page.prefixes]) {
    let before = last
    for (const key of keys) {
      if (before !== undefined && compareKeys(key, before) <= 0) {
        throw broken(context, `listed ${JSON.stringify(key)} after ${JSON.stringify(before)}`)
      }
      before = key
    }
  }
}

function lastOf(page: ListPage): string | undefined {
  const object = page.objects.at(-1)?.key
  const prefix = page.prefixes.at(-1)
  if (object === undefined || prefix === undefined) return object ?? prefix
  return compareKeys(object, prefix) > 0 ? object : prefix
}

function broken({ adapter, connection }: S3Context, what: string): StowageError {
  return new StowageError(
    'unavailable',
    `${adapter.id}: the listing of bucket ${connection.bucket} cannot be trusted: the store ${what}.`,
    {
      sourceId: adapter.id,
      retryable: false,
      hint: 'The store does not follow S3; nothing was concluded from this listing.',
    },
  )
}
