import { createHash } from 'node:crypto'

/** One side of the model: contents and time of each key, and whether its owner touched it since both sides agreed. */
interface Version {
  text: string
  time: number
}

export type OracleSide = 'a' | 'b'

/** What the model knows of one key. */
interface Known {
  a: Version | undefined
  b: Version | undefined
  /** The contents that both sides had when they last agreed. */
  agreed: string | undefined
  /** Whether anybody wrote it since, per side. */
  written: { a: boolean; b: boolean }
}

export interface OracleOptions {
  conflict: 'newer' | 'source' | 'target' | 'keep-both'
  /** A write of the same contents is no change. */
  contentsTell: boolean
}

/**
 * A two-way sync as simply as it can be said: a few lines for one key, with nothing that fails, nothing that is listed and nothing that is
 * copied. It shares no code with the engine.
 */
export class TwoWayOracle {
  readonly #keys = new Map<string, Known>()
  readonly #options: OracleOptions

  constructor(options: OracleOptions) {
    this.#options = options
  }

  put(side: OracleSide, key: string, text: string, time: number): void {
    const known = this.#known(key)
    known[side] = { text, time }
    known.written[side] = true
  }

  delete(side: OracleSide, key: string): void {
    this.#known(key)[side] = undefined
  }

  text(side: OracleSide, key: string): string | undefined {
    return this.#known(key)[side]?.text
  }

  /** What both sides have after a sync that nothing disturbs. */
  sync(): Record<string, string> {
    for (const [key, known] of [...this.#keys]) {
      const { text, aside } = this.#outcome(key, known)
      this.agree(key, text)
      if (aside !== undefined) this.agree(aside.key, aside.text)
    }
    return this.#contents()
  }

  /** Both sides have this. */
  agree(key: string, text: string | undefined): void {
    const version = text === undefined ? undefined : { text, time: 0 }
    this.#keys.set(key, { a: version, b: version, agreed: text, written: { a: false, b: false } })
  }

  #outcome(key: string, known: Known): { text: string | undefined; aside?: { key: string; text: string } } {
    const { a, b, agreed } = known
    if (a === undefined && b === undefined) return { text: undefined }
    if (a === undefined) return { text: this.#changed(known, 'b') ? b?.text : undefined }
    if (b === undefined) return { text: this.#changed(known, 'a') ? a.text : undefined }
    if (a.text === b.text || b.text === agreed) return { text: a.text }
    if (a.text === agreed) return { text: b.text }
    const { conflict } = this.#options
    const bWins = conflict === 'target' || (conflict === 'newer' && b.time > a.time)
    const [wins, loses] = bWins ? [b, a] : [a, b]
    return {
      text: wins.text,
      aside: { key: nameAside(key, bWins ? 'source' : 'target', loses.text), text: loses.text },
    }
  }

  #changed(known: Known, side: OracleSide): boolean {
    if (known.agreed === undefined) return true
    return this.#options.contentsTell ? known[side]?.text !== known.agreed : known.written[side]
  }

  #known(key: string): Known {
    const known = this.#keys.get(key) ?? {
      a: undefined,
      b: undefined,
      agreed: undefined,
      written: { a: false, b: false },
    }
    this.#keys.set(key, known)
    return known
  }

  #contents(): Record<string, string> {
    return Object.fromEntries([...this.#keys].flatMap(([key, { a }]) => (a === undefined ? [] : [[key, a.text]])))
  }
}

function nameAside(key: string, side: string, text: string): string {
  const digest = createHash('sha256').update(text, 'latin1').digest('hex').slice(0, 12)
  const [, stem, extension] = /^(.*?)(\.[^./]+)?$/.exec(key) ?? []
  return `${stem}.conflict-${side}-${digest}${extension ?? ''}`
}
