import { compareKeys, decodeRecord, encodeRecord } from '@stowage/core'
import { deleteRecord, listRecords, type Records, readRecord, writeRecord } from './cas.ts'
import type { Fingerprint, LedgerEntry } from './ledger-entry.ts'
import type { PairKeys } from './record-keys.ts'

/** A change of one side that we are about to make, written down before we make it. */
export interface Intent {
  key: string
  /** The side that is changed. */
  at: 'from' | 'to'
  /** The other side's object that is written there; `null`: the object is deleted there. */
  copyOf: (Fingerprint & { digest?: string }) | null
  /** What the ledger said of the key: once it says something else, the intent is of no more meaning. */
  known: string
}

/** What the ledger says of a key, so that it can be told from what it says later. */
export function knownAs(entry: LedgerEntry | undefined): string {
  return entry === undefined ? '' : `${entry.source.etag} ${entry.target.etag}`
}

/** Bytes of intents in one record, about. */
const recordBytes = 256 * 1024

interface Batch {
  record: string
  intents: Intent[]
}

/**
 * The intents of a pair. Those that are announced while a record is being written go into the next one together, so that many writers share
 * one write. A record goes when the ledger has the outcome of all of its keys.
 */
export class IntentLog {
  readonly #records: Records
  readonly #keys: PairKeys
  readonly #token: number
  readonly #signal: AbortSignal
  #batches: Batch[] = []
  readonly #byKey = new Map<string, Intent[]>()
  /** Keys whose outcome the ledger is told. */
  readonly #done = new Set<string>()
  /** Keys whose outcome is not known: the next run has to find out. */
  readonly #unknown = new Set<string>()
  #waiting: Intent[] = []
  #next: Promise<void> | undefined
  #current: Promise<void> = Promise.resolve()
  #sequence = 0

  constructor(records: Records, keys: PairKeys, token: number, signal: AbortSignal) {
    this.#records = records
    this.#keys = keys
    this.#token = token
    this.#signal = signal
  }

  /** Reads what earlier runs left. */
  async open(): Promise<void> {
    for await (const record of listRecords(this.#records, this.#keys.intents, this.#signal)) {
      const found = await readRecord(this.#records, record, this.#signal)
      if (found === undefined) continue
      this.#keep({ record, intents: decodeRecord<{ intents: Intent[] }>(record, found.value).intents })
    }
  }

  /** What was announced of a key and still has a meaning. */
  of(key: string, entry: LedgerEntry | undefined): Intent[] {
    const intents = this.#byKey.get(key)
    if (intents === undefined) return []
    const known = knownAs(entry)
    return intents.filter((intent) => intent.known === known)
  }

  /** Writes an intent down; returns when that is durable. */
  announce(intent: Intent): Promise<void> {
    this.#waiting.push(intent)
    this.#next ??= this.#current
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined
        this.#current = this.#write()
        return this.#current
      })
    return this.#next
  }

  /** Notes that the ledger is told what became of a key. */
  settled(key: string): void {
    if (!this.#byKey.has(key)) return
    this.#done.add(key)
    this.#unknown.delete(key)
  }

  /** Notes that nobody knows what became of a key. */
  failed(key: string): void {
    if (this.#byKey.has(key)) this.#unknown.add(key)
  }

  /** Forgets what was settled up to this key, now that the ledger has it. */
  async committed(cursor: string): Promise<void> {
    await this.#drop(({ key }) => this.#done.has(key) && compareKeys(key, cursor) <= 0)
  }

  /** Forgets everything but what is not known: every key was looked at, and those that did not come by are nowhere. */
  async finish(): Promise<void> {
    await this.#drop(({ key }) => !this.#unknown.has(key))
  }

  async #drop(useless: (intent: Intent) => boolean): Promise<void> {
    const gone = this.#batches.filter(({ intents }) => intents.every(useless))
    if (gone.length === 0) return
    this.#batches = this.#batches.filter((batch) => !gone.includes(batch))
    for (const { record, intents } of gone) {
      await deleteRecord(this.#records, record, this.#signal)
      for (const intent of intents) this.#forget(intent)
    }
  }

  #forget(intent: Intent): void {
    const left = this.#byKey.get(intent.key)?.filter((other) => other !== intent) ?? []
    if (left.length > 0) {
      this.#byKey.set(intent.key, left)
      return
    }
    this.#byKey.delete(intent.key)
    this.#done.delete(intent.key)
  }

  async #write(): Promise<void> {
    const intents = this.#waiting
    this.#waiting = []
    for (let at = 0; at < intents.length; ) {
      let bytes = 0
      const from = at
      for (; at < intents.length && bytes < recordBytes; at++) bytes += 6 * (intents[at]?.key.length ?? 0) + 512
      const batch = { record: this.#keys.intent(this.#token, ++this.#sequence), intents: intents.slice(from, at) }
      // Known here before it is written: an answer that is lost may be that of a write that took place.
      this.#keep(batch)
      await writeRecord(this.#records, batch.record, encodeRecord({ intents: batch.intents }), null, this.#signal)
    }
  }

  #keep(batch: Batch): void {
    this.#batches.push(batch)
    for (const intent of batch.intents) {
      this.#byKey.set(intent.key, [...(this.#byKey.get(intent.key) ?? []), intent])
      this.#done.delete(intent.key)
    }
  }
}
