import { isAs, type PlannedObject, type Row, type Side } from '../plan/index.ts'
import type { Fingerprint } from '../state/index.ts'

/** What is to be done about one key of a two-way sync. */
export type TwoWayDecision =
  /** Nowhere any more: the ledger forgets it. */
  | { action: 'none' }
  /** As the ledger has it. */
  | { action: 'skip' }
  /** Without reading a byte it is known to be the same; the ledger learns it. */
  | { action: 'same' }
  /** One side's is new, or was changed: it goes to this side. */
  | { action: 'copy'; to: Side }
  /** One side deleted it, and the other left it as it was: it goes from this side. */
  | { action: 'delete'; at: Side }
  /** Both sides have it, and only the contents can tell what happened. */
  | { action: 'compare' }

/** The circumstances that decisions depend on. */
export interface ReconcileOptions {
  checksum: boolean
  /** Whether equal etags of the two objects mean equal contents. */
  sameContents: (source: PlannedObject, target: PlannedObject) => boolean
}

/**
 * Decides about one key. Pure. Each side is held against what the ledger says of that same side, never against the other: so neither clocks
 * nor etags of different stores are compared.
 */
export function reconcile({ source, target, entry }: Row, options: ReconcileOptions): TwoWayDecision {
  const from = changeOf(source, entry?.source)
  const to = changeOf(target, entry?.target)
  if (source === undefined || target === undefined) {
    if (source === target) return { action: 'none' }
    // Without an entry it was never on both sides: it is new. A change beats a delete.
    if (from === 'gone') return to === 'as-before' ? { action: 'delete', at: 'to' } : { action: 'copy', to: 'from' }
    return from === 'as-before' ? { action: 'delete', at: 'from' } : { action: 'copy', to: 'to' }
  }
  if (from === 'as-before' && to === 'as-before') return { action: options.checksum ? 'compare' : 'skip' }
  if (to === 'as-before') return { action: 'copy', to: 'to' }
  if (from === 'as-before') return { action: 'copy', to: 'from' }
  return { action: options.sameContents(source, target) ? 'same' : 'compare' }
}

function changeOf(object: PlannedObject | undefined, known: Fingerprint | undefined): 'gone' | 'as-before' | 'changed' {
  if (object === undefined) return 'gone'
  return known !== undefined && isAs(object, known) ? 'as-before' : 'changed'
}
