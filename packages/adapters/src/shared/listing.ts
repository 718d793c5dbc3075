import { compareKeys, type ListOptions, type ListPage, StowageError } from '@stowage/core'
import { type Called, canBePrefix } from './calls.ts'
import { isOwn } from './is-own.ts'
import { askedRange } from './listing-range.ts'

/** One page that is asked for. */
export interface PageQuestion {
  maxKeys: number
  prefix?: string | undefined
  /** Only of the first page. */
  startAfter?: string | undefined
  delimiter?: string | undefined
  /** Only of later pages. */
  token?: string | undefined
}

/**
 * One page as the store answers, with keys as they are. What it did not say is `undefined`. Objects that are also `skipped` are those that
 * turned out to be none.
 */
export interface PageReply extends ListPage {
  isTruncated: boolean | undefined
  /** How many rows it says it lists. */
  keyCount: number | undefined
  nextToken: string | undefined
}

/** A bucket that can be listed page by page. */
export interface Listable {
  readonly adapter: Called
  readonly bucket: string
  /** What the store should follow, for the hint: `S3`. */
  readonly protocol: string
  readonly ask: (question: PageQuestion, signal: AbortSignal | undefined) => Promise<PageReply>
}

/**
 * The pages of a listing, whatever position it begins at.
 * @throws StowageError `unavailable` for a listing that is cut short, does not rise or does not say where it goes on
 */
export async function* listPages(listable: Listable, options: ListOptions): AsyncGenerator<ListPage> {
  const { adapter } = listable
  const prefix = options.prefix ?? ''
  const startAfter = options.startAfter ?? ''
  if (!canBePrefix(adapter, prefix)) return
  const passed = options.delimiter === undefined ? undefined : folderOf(startAfter, prefix)
  if (passed !== undefined) {
    // Stores differ on a folder that the position lies in: some leave it out. It counts as long as a key in it does.
    const { delimiter: _, ...flat } = options
    for await (const page of listPages(listable, { ...flat, prefix: passed, pageSize: 1 })) {
      if (page.objects.length === 0) continue
      yield { objects: [], prefixes: [passed] }
      break
    }
  }
  const position = passed === undefined ? startAfter : `${passed}\u{10ffff}`
  const asked = { ...options, ...askedRange(adapter, { prefix, startAfter: position }) }
  const isAsked = (name: string): boolean =>
    name.startsWith(prefix) && compareKeys(name, position) > 0 && !isOwn(adapter, name)
  for await (const reply of answeredPages(listable, asked)) {
    const { objects, prefixes, skipped = [] } = reply
    const none = new Set(skipped.map(({ name }) => name))
    const page: ListPage = {
      objects: objects.filter(({ key }) => isAsked(key) && !none.has(key)),
      prefixes: prefixes.filter(isAsked),
    }
    const left = skipped.filter(({ name }) => isAsked(name))
    if (left.length > 0) page.skipped = left
    if (page.objects.length + page.prefixes.length + left.length > 0) yield* inSize(page, options.pageSize)
    const last = lastOf(reply)
    if (last !== undefined && !last.startsWith(prefix) && compareKeys(last, prefix) > 0) return
  }
}

/** A page of two rows as two of one, where pages of one are wanted. */
function* inSize(page: ListPage, pageSize: number | undefined): Generator<ListPage> {
  const [object, prefix] = [page.objects[0]?.key, page.prefixes[0]]
  if (pageSize !== 1 || page.objects.length + page.prefixes.length < 2) return yield page
  const objects = page.objects.map((one) => ({ objects: [one], prefixes: [] }))
  const prefixes = page.prefixes.map((one) => ({ objects: [], prefixes: [one] }))
  const isFolderFirst = object !== undefined && prefix !== undefined && compareKeys(prefix, object) < 0
  const [first, ...more] = isFolderFirst ? [...prefixes, ...objects] : [...objects, ...prefixes]
  yield { ...page, ...first }
  yield* more
}

/** The error for a listing from which nothing can be concluded. */
export function brokenListing({ adapter, bucket, protocol }: Omit<Listable, 'ask'>, what: string): StowageError {
  return new StowageError(
    'unavailable',
    `${adapter.id}: the listing of bucket ${bucket} cannot be trusted: the store ${what}.`,
    {
      sourceId: adapter.id,
      retryable: false,
      hint: `The store does not follow ${protocol}; nothing was concluded from this listing.`,
    },
  )
}

/** The folder below the prefix that a position lies in, if it lies in one. */
function folderOf(position: string, prefix: string): string | undefined {
  const slash = position.startsWith(prefix) ? position.indexOf('/', prefix.length) : -1
  return slash < 0 ? undefined : position.slice(0, slash + 1)
}

/** The pages as the store answers. Each is held against the one before: a listing that does not rise would loop or lose objects. */
async function* answeredPages(listable: Listable, asked: ListOptions): AsyncGenerator<ListPage> {
  const most = listable.adapter.capabilities.listing.pageSize
  let last: string | undefined
  let token: string | undefined
  for (;;) {
    const question = {
      // MinIO answers a question for one row with the object that has the prefix for its key, and says that none follows.
      maxKeys: Math.max(2, Math.min(asked.pageSize ?? most, most)),
      prefix: asked.prefix || undefined,
      startAfter: token === undefined ? asked.startAfter || undefined : undefined,
      delimiter: asked.delimiter,
      token,
    }
    const reply = await listable.ask(question, asked.signal)
    assertWhole(listable, reply)
    assertRising(listable, reply, last)
    last = lastOf(reply) ?? last
    yield reply
    if (reply.isTruncated !== true) return
    if (reply.nextToken === undefined || reply.nextToken === token) {
      throw brokenListing(listable, 'said that more follows, but not where')
    }
    token = reply.nextToken
  }
}

/** An answer that was cut short may still be read as XML: it must say whether more follows, and hold as many rows as it says. */
function assertWhole(listable: Listable, { objects, prefixes, isTruncated, keyCount }: PageReply): void {
  const rows = objects.length + prefixes.length
  if (isTruncated === undefined) throw brokenListing(listable, 'did not say whether more follows')
  if (keyCount !== undefined && keyCount !== rows) {
    throw brokenListing(listable, `announced ${keyCount} rows and listed ${rows}`)
  }
}

function assertRising(listable: Listable, page: ListPage, last: string | undefined): void {
  for (const keys of [page.objects.map((object) => object.key), page.prefixes]) {
    let before = last
    for (const key of keys) {
      if (before !== undefined && compareKeys(key, before) <= 0) {
        throw brokenListing(listable, `listed ${JSON.stringify(key)} after ${JSON.stringify(before)}`)
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
