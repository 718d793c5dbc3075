import type { SyncStore } from '@stowage/core'

const PAGE = 1000

/** The keys that begin with a prefix, in order, a page at a time. */
export async function* keysBelow(store: Pick<SyncStore, 'list'>, prefix: string): AsyncGenerator<string> {
  for (let after: string | undefined; ; ) {
    const page = await store.list(prefix, { limit: PAGE, ...(after === undefined ? {} : { after }) })
    yield* page
    after = page.at(-1)
    if (page.length < PAGE) return
  }
}
