/** How an object is recognised without reading it. */
export interface Fingerprint {
  /** The store's etag, or `sha256:` and a digest where the source was named by a manifest. */
  etag: string
  /** bytes */
  size: number
}

/** What the ledger knows of one key: that, at one time, the source's object and the target's object had the same contents. */
export interface LedgerEntry {
  /** Relative to both prefixes. */
  key: string
  source: Fingerprint
  target: Fingerprint
  /** The contents' digest, when they passed through here. */
  digest?: string
}
