import { checkKey, type KeyRules, type Location } from '@stowage/core'
import type { Fingerprint, LedgerEntry } from '../state/index.ts'
import { sameEtag } from './etag.ts'
import type { PlannedObject } from './listing.ts'
import type { Row } from './merge.ts'

/** What is to be done about one key. */
export type Decision =
  /** Only in the target, or nowhere any more. */
  | { action: 'none' }
  /** The ledger vouches for it. */
  | { action: 'skip' }
  /** Without reading a byte it is known to be the same; the ledger learns it. */
  | { action: 'same' }
  /** It may be the same: the target's metadata says so. */
  | { action: 'head' }
  /** Read both sides. */
  | { action: 'compare' }
  | { action: 'copy' }
  /** It is left as it is, unless the target's metadata says that a write of ours which came late put it there. */
  | { action: 'late'; entry: LedgerEntry }
  /**
   * The source's object may be a copy of the target's that others brought back: then there is nothing to bring. Else what would be done otherwise.
   * `changed`: the target was changed since, so that a copy of whatever it was before is an old one.
   */
  | { action: 'echo'; changed: boolean; otherwise: Decision }
  /** To be copied once the target does not have this object any more: it cannot hold both. */
  | { action: 'blocked'; by: string }
  /** Cannot be done, and why. */
  | { action: 'refuse'; reason: string }

/** The circumstances that decisions depend on. */
export interface DecideOptions {
  from: Location
  to: Location
  checksum: boolean
  createOnly: boolean
  /** @defaultValue false */
  compareUnknown?: boolean
  /** With `compareUnknown`, others bring back what is in the target. @defaultValue false */
  leaveChanged?: boolean
  /** Whether writes of an owner before may have come meanwhile. @defaultValue false */
  mayBeLate?: boolean
}

/**
 * Decides about one key. Pure. Sizes and times alone never make two objects the same: it takes the ledger, two MD5s, or what the target's
 * own metadata says of its origin.
 */
export function decide(row: Row, options: DecideOptions): Decision {
  const { source, target, entry } = row
  if (source === undefined) return { action: 'none' }
  const reason = checkKey(options.to.prefix + row.key, options.to.adapter.capabilities.keys)
  if (reason !== undefined) return { action: 'refuse', reason }
  if (target === undefined) return { action: 'copy' }
  const sourceKnown = entry !== undefined && isAs(source, entry.source)
  const targetKnown = entry !== undefined && isAs(target, entry.target)
  if (sourceKnown && targetKnown) {
    const contradicted = source.digest !== undefined && entry.digest !== undefined && source.digest !== entry.digest
    if (!contradicted) return { action: options.checksum ? 'compare' : 'skip' }
  }
  if (sourceKnown && options.leaveChanged === true)
    return options.mayBeLate === true ? { action: 'late', entry } : { action: 'skip' }
  const decision = ofContents(row, source, target, { sourceKnown, targetKnown }, options)
  const mayBeEcho = options.compareUnknown === true && options.leaveChanged === true && !sourceKnown
  if (!mayBeEcho || decision.action === 'same' || options.checksum) return decision
  return { action: 'echo', changed: !targetKnown, otherwise: decision }
}

/** What is to be done about an object of both sides, of which not both are known. */
function ofContents(
  { entry }: Row,
  source: PlannedObject,
  target: PlannedObject,
  { sourceKnown, targetKnown }: { sourceKnown: boolean; targetKnown: boolean },
  options: DecideOptions,
): Decision {
  // What the ledger knows to be the old contents, or something foreign, need not be asked about.
  const evidencePossible = source.size === target.size && (entry === undefined || (!sourceKnown && !targetKnown))
  if (evidencePossible) {
    if (options.checksum) return { action: 'compare' }
    if (sameMd5(source, target, options)) return { action: 'same' }
    if (options.to.adapter.capabilities.metadata === 'native') return { action: 'head' }
    if (options.compareUnknown === true) return { action: 'compare' }
  }
  return { action: options.createOnly && source.size === target.size ? 'compare' : 'copy' }
}

/** Whether an object is the one that the ledger knows. Without an etag nothing can be recognised: the same size says nothing. */
export function isAs(object: PlannedObject, known: Fingerprint): boolean {
  return object.etag !== '' && sameEtag(object.etag, known.etag) && object.size === known.size
}

/** Whether both etags are the MD5 of the contents, and the same. */
export function sameMd5(
  source: PlannedObject,
  target: PlannedObject,
  { from, to }: Pick<DecideOptions, 'from' | 'to'>,
): boolean {
  const both = from.adapter.capabilities.etagIsMd5 && to.adapter.capabilities.etagIsMd5
  return both && isMd5(source.etag) && source.etag.toLowerCase() === target.etag.toLowerCase()
}

/** An etag that can be an MD5: that of a single put. A multipart etag has a dash and a number behind. */
export function isMd5(etag: string): boolean {
  return /^[0-9a-f]{32}$/i.test(etag)
}

/** Follows keys in order and tells those that lie below another key as if that were a folder: `a/b` after `a`. */
export class FolderWatch {
  readonly #active: boolean
  /** Keys before, each of which the next key may begin with. */
  #open: string[] = []

  /** @param rules of the store that may not hold both */
  constructor(rules: Pick<KeyRules, 'objectAndFolder'>) {
    this.#active = !rules.objectAndFolder
  }

  /** Takes the next key; returns the key that stands in its way, if one does. */
  next(key: string): string | undefined {
    if (!this.#active) return undefined
    const blocker = this.blocker(key)
    if (blocker === undefined) this.#open.push(key)
    return blocker
  }

  /** The key that stands in the way of this one, which is not taken as one itself. */
  blocker(key: string): string | undefined {
    // Everything that begins with "k/" sorts between "k" and "k0", since "0" follows "/"; what does not begin with k is beyond it.
    while (this.#open.length > 0 && !key.startsWith(this.#open.at(-1) ?? '')) this.#open.pop()
    return this.#open.find((before) => key.startsWith(`${before}/`))
  }
}
