import { compareKeys } from '@stowage/core'
import type { EntryOrigin, LedgerEntry, LedgerPage } from '../state/index.ts'
import type { PlannedObject, Side } from './listing.ts'

/** Everything that is known of one key. At least one of the three is there. */
export interface Row {
  key: string
  source?: PlannedObject
  target?: PlannedObject
  entry?: LedgerEntry
  /** Where the entry lies in the old ledger. */
  origin?: EntryOrigin
  /**
   * Where that was asked for and only one side has the key: a key of the other that lies below it as if it were a folder. `null`: the
   * other's page ends too early to tell.
   */
  below?: string | null
}

/** Sorted rows that come by the page; the next page is fetched while this one is worked on. */
class Feed<T, Page = T[]> {
  readonly #pages: AsyncIterator<Page>
  readonly #rowsOf: (page: Page) => T[]
  #next: Promise<IteratorResult<Page>> | undefined
  /** The page that {@link rows} are of. */
  page: Page | undefined
  rows: T[] = []
  at = 0
  ended = false

  constructor(pages: AsyncIterable<Page>, rowsOf: (page: Page) => T[]) {
    this.#pages = pages[Symbol.asyncIterator]()
    this.#rowsOf = rowsOf
  }

  /** True when the next row is at hand, or there is none. */
  get ready(): boolean {
    return this.ended || this.at < this.rows.length
  }

  async fill(): Promise<void> {
    while (!this.ready) {
      const result = await (this.#next ?? this.#pages.next())
      this.#next = undefined
      if (result.done) {
        this.ended = true
        this.page = undefined
        this.rows = []
        this.at = 0
        return
      }
      this.page = result.value
      this.rows = this.#rowsOf(result.value)
      this.at = 0
    }
    if (this.ended || this.#next !== undefined) return
    this.#next = this.#pages.next()
    // Whoever awaits it later gets the error; until then it is not unhandled.
    this.#next.catch(() => undefined)
  }

  close(): void {
    this.#pages.return?.(undefined)?.catch(() => undefined)
  }
}

/**
 * Merges two sorted listings and the ledger by key. Constant memory: a page or two of each. A failure of one of them ends the merge.
 *
 * @param lookBelow the sides in which to find {@link Row.below}
 * @example
 * ```ts
 * for await (const rows of merge(source, target, ledger)) for (const row of rows) decide(row)
 * ```
 */
export async function* merge(
  source: AsyncIterable<PlannedObject[]>,
  target: AsyncIterable<PlannedObject[]>,
  ledger: AsyncIterable<LedgerPage>,
  lookBelow: readonly Side[] = [],
): AsyncGenerator<Row[]> {
  const a = new Feed(source, (rows) => rows)
  const b = new Feed(target, (rows) => rows)
  const l = new Feed(ledger, ({ entries }) => entries)
  const feeds = [a, b, l]
  try {
    for (;;) {
      await Promise.all(feeds.map((feed) => feed.fill()))
      const rows: Row[] = []
      while (a.ready && b.ready && l.ready) {
        const [s, t, e] = [a.rows[a.at], b.rows[b.at], l.rows[l.at]]
        const key = least(least(s?.key, t?.key), e?.key)
        if (key === undefined) {
          if (rows.length > 0) yield rows
          return
        }
        const row: Row = { key }
        if (s?.key === key) {
          row.source = s
          a.at++
        }
        if (t?.key === key) {
          row.target = t
          b.at++
        }
        if (e?.key === key) {
          row.entry = e
          const origin = l.page?.origin
          if (origin !== undefined) row.origin = { chunk: origin.chunk, index: origin.index + l.at }
          l.at++
        }
        const below = lookBelow.length === 0 ? undefined : belowIn(row, a, b, lookBelow)
        if (below !== undefined) row.below = below
        rows.push(row)
      }
      if (rows.length > 0) yield rows
    }
  } finally {
    for (const feed of feeds) feed.close()
  }
}

/** What lies below a key in the side that does not have it. */
function belowIn(
  { key, source, target }: Row,
  a: Feed<PlannedObject>,
  b: Feed<PlannedObject>,
  sides: readonly Side[],
): string | null | undefined {
  if (source !== undefined && target === undefined) return sides.includes('to') ? firstBelow(b, key) : undefined
  if (source === undefined && target !== undefined) return sides.includes('from') ? firstBelow(a, key) : undefined
  return undefined
}

/** The first key to come that begins with `key` and a slash; `null` when only the next page can tell. */
function firstBelow({ rows, at, ended }: Feed<PlannedObject>, key: string): string | null | undefined {
  if (ended) return undefined
  const folder = `${key}/`
  let [low, high] = [at, rows.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (compareKeys(rows[middle]?.key ?? '', folder) < 0) low = middle + 1
    else high = middle
  }
  const found = rows[low]?.key
  if (found === undefined) return null
  return found.startsWith(folder) ? found : undefined
}

function least(a: string | undefined, b: string | undefined): string | undefined {
  if (a === undefined) return b
  if (b === undefined) return a
  return compareKeys(a, b) <= 0 ? a : b
}
