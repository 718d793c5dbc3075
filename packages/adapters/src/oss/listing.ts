import { compareKeys, type ListedObject, type ListOptions, type ListPage, StowageError } from '@stowage/core'
import { canBePrefix } from '../shared/index.ts'
import type { OssContext } from './context.ts'
import { unquote } from './headers.ts'
import { childrenOf, childText, parseXml, type XmlNode } from './xml.ts'

/** The pages of a listing, whatever position it begins at. */
export async function* listObjects(context: OssContext, options: ListOptions): AsyncGenerator<ListPage> {
  const { adapter, transport } = context
  transport.begin(options.signal)
  const prefix = options.prefix ?? ''
  const startAfter = options.startAfter ?? ''
  if (!canBePrefix(adapter, prefix)) return
  const passed = options.delimiter === undefined ? undefined : folderOf(startAfter, prefix)
  if (passed !== undefined) {
    // A folder that the position lies in counts as long as a key in it does; the store may leave it out.
    const { delimiter: _, ...flat } = options
    for await (const page of listObjects(context, { ...flat, prefix: passed, pageSize: 1 })) {
      if (page.objects.length === 0) continue
      yield { objects: [], prefixes: [passed] }
      break
    }
  }
  const position = passed === undefined ? startAfter : `${passed}\u{10ffff}`
  for await (const page of answeredPages(context, { ...options, prefix, startAfter: position })) {
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

/** The pages as the store answers. Each is held against the one before: a listing that does not rise would loop or lose objects. */
async function* answeredPages(context: OssContext, asked: ListOptions): AsyncGenerator<ListPage> {
  const { adapter, transport } = context
  const most = adapter.capabilities.listing.pageSize
  let last: string | undefined
  let token: string | undefined
  for (;;) {
    const answer = await transport.send({
      method: 'GET',
      signal: asked.signal,
      query: {
        'list-type': '2',
        'encoding-type': 'url',
        'max-keys': String(Math.max(1, Math.min(asked.pageSize ?? most, most))),
        ...(asked.prefix ? { prefix: asked.prefix } : {}),
        ...(asked.startAfter && token === undefined ? { 'start-after': asked.startAfter } : {}),
        ...(asked.delimiter === undefined ? {} : { delimiter: asked.delimiter }),
        ...(token === undefined ? {} : { 'continuation-token': token }),
      },
    })
    const root = parseXml(answer.text)
    const page = readPage(context, root)
    assertRising(context, page, last)
    last = lastOf(page) ?? last
    yield page
    if (childText(root, 'IsTruncated') !== 'true') return
    const next = childText(root, 'NextContinuationToken')
    const following = next === undefined ? undefined : nameReader(context, root)(next)
    if (following === undefined || following === '' || following === token) {
      throw broken(context, 'said that more follows, but not where')
    }
    token = following
  }
}

/** An answer that was cut short is refused: it must say whether more follows, and hold as many rows as it says. */
function readPage(context: OssContext, root: XmlNode): ListPage {
  if (root.name !== 'ListBucketResult' || childText(root, 'IsTruncated') === undefined) {
    throw broken(context, 'did not say whether more follows')
  }
  const read = nameReader(context, root)
  const page: ListPage = {
    objects: childrenOf(root, 'Contents').map((row) => readRow(context, row, read)),
    prefixes: childrenOf(root, 'CommonPrefixes').map((row) => read(childText(row, 'Prefix') ?? '')),
  }
  const rows = page.objects.length + page.prefixes.length
  const count = childText(root, 'KeyCount')
  if (count !== undefined && Number(count) !== rows) throw broken(context, `announced ${count} rows and listed ${rows}`)
  return page
}

function readRow(context: OssContext, row: XmlNode, read: (name: string) => string): ListedObject {
  const [key, size] = [childText(row, 'Key'), childText(row, 'Size')]
  if (!key || size === undefined || !/^\d+$/.test(size)) throw broken(context, 'listed a row without a key or a size')
  const storageClass = childText(row, 'StorageClass')
  return {
    key: read(key),
    size: Number(size),
    etag: unquote(childText(row, 'ETag')),
    lastModified: Date.parse(childText(row, 'LastModified') ?? '') || 0,
    ...(storageClass === undefined ? {} : { storageClass }),
  }
}

/** Reads names as an answer writes them: percent-encoded when it says so. */
export function nameReader(context: OssContext, root: XmlNode): (name: string) => string {
  if (childText(root, 'EncodingType') !== 'url') return (name) => name
  return (name) => {
    try {
      return decodeURIComponent(name)
    } catch {
      throw broken(context, `listed ${JSON.stringify(name)}, which is no percent-encoded UTF-8`)
    }
  }
}

function assertRising(context: OssContext, page: ListPage, last: string | undefined): void {
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

function broken({ adapter, transport }: OssContext, what: string): StowageError {
  return new StowageError(
    'unavailable',
    `${adapter.id}: the listing of bucket ${transport.bucket} cannot be trusted: the store ${what}.`,
    {
      sourceId: adapter.id,
      retryable: false,
      hint: 'The store does not follow OSS; nothing was concluded from this listing.',
    },
  )
}
