import { type ErrorCode, hasCode, StowageError, throwIfAborted } from '../errors/index.ts'
import type { Vault } from './vault.ts'

/** Which of a source's credentials: those in use, or those that will replace them. */
export type CredentialSlot = 'current' | 'next'

/** A wrapped data key and the row it lies in. */
export interface DataKeyRow {
  sourceId: string
  slot: CredentialSlot
  dataKey: Uint8Array
}

/** What a bulk re-wrap needs of a store; `SourceStore` has it. */
export interface DataKeyStore {
  /** Rows in a fixed order, those after a given one, at most `limit`. */
  listDataKeys(options: { after?: Pick<DataKeyRow, 'sourceId' | 'slot'>; limit: number }): Promise<DataKeyRow[]>
  /** Replaces a data key if it is still `row.dataKey`. Returns whether it was. */
  swapDataKey(row: DataKeyRow, dataKey: Uint8Array): Promise<boolean>
}

/** What a bulk re-wrap did. */
export interface RewrapResult {
  /** Rows wrapped anew. */
  rewrapped: number
  /** Rows that were under the newest master key already. */
  current: number
  /** Rows that could not be opened. They are as they were. */
  failed: { sourceId: string; slot: CredentialSlot; code: ErrorCode; message: string }[]
}

const PAGE = 100
const PASSES = 5

/**
 * Wraps all data keys by the newest master key, row by row, by compare-and-swap. Fields are not touched. Stopped at any point it is
 * simply called again: what was done is under the newest key already. Once `failed` is empty, older master keys are needed no more.
 *
 * A row that somebody else changed meanwhile is looked at again.
 *
 * @throws StowageError `aborted`, `unavailable` (the store or a key service), `conflict` when rows kept changing
 */
export async function rewrapAll(
  store: DataKeyStore,
  vault: Vault,
  options: { signal?: AbortSignal; onRow?: (row: Pick<DataKeyRow, 'sourceId' | 'slot'>) => void } = {},
): Promise<RewrapResult> {
  let rewrapped = 0
  for (let pass = 0; pass < PASSES; pass++) {
    const result = await runPass(store, vault, options)
    rewrapped += result.rewrapped
    if (result.raced === 0)
      return { rewrapped, current: result.current - (rewrapped - result.rewrapped), failed: result.failed }
  }
  throw new StowageError('conflict', 'Credentials kept changing while they were wrapped again.', {
    hint: 'Run it again; what was done is kept.',
  })
}

async function runPass(
  store: DataKeyStore,
  vault: Vault,
  options: { signal?: AbortSignal; onRow?: (row: Pick<DataKeyRow, 'sourceId' | 'slot'>) => void },
): Promise<RewrapResult & { raced: number }> {
  const result = { rewrapped: 0, current: 0, failed: [] as RewrapResult['failed'], raced: 0 }
  let after: Pick<DataKeyRow, 'sourceId' | 'slot'> | undefined
  for (;;) {
    throwIfAborted(options.signal)
    const rows = await store.listDataKeys({ limit: PAGE, ...(after === undefined ? {} : { after }) })
    for (const row of rows) {
      throwIfAborted(options.signal)
      after = { sourceId: row.sourceId, slot: row.slot }
      try {
        const dataKey = await vault.rewrap(row.sourceId, row.dataKey, options)
        if (dataKey === undefined) result.current++
        else if (await store.swapDataKey(row, dataKey)) result.rewrapped++
        else result.raced++
      } catch (error) {
        // What is wrong with one row does not keep the others; what is wrong with the store or the key service does.
        if (!hasCode(error, 'integrity', 'newer-format', 'configuration')) throw error
        result.failed.push({ ...after, code: error.code, message: error.message })
      }
      options.onRow?.(after)
    }
    if (rows.length < PAGE) return result
  }
}
