import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'

const KEPT = 200

/** Prepared statements by their text, the least recently used given up first. */
export class Statements {
  readonly #database: DatabaseSync
  readonly #kept = new Map<string, StatementSync>()

  constructor(database: DatabaseSync) {
    this.#database = database
  }

  /** The statement for this text, prepared now or before. */
  get(sql: string): StatementSync {
    let statement = this.#kept.get(sql)
    if (statement === undefined) statement = this.#database.prepare(sql)
    else this.#kept.delete(sql)
    this.#kept.set(sql, statement)
    if (this.#kept.size > KEPT) this.#kept.delete(this.#kept.keys().next().value as string)
    return statement
  }

  clear(): void {
    this.#kept.clear()
  }
}

/**
 * A parameter as node:sqlite takes it. Dates and booleans are converted here: a `Date` that comes first would be taken for an object of
 * named parameters, in silence.
 */
export function toInput(value: unknown): SQLInputValue {
  if (value === undefined) return null
  if (value instanceof Date) return value.getTime()
  if (typeof value === 'boolean') return value ? 1 : 0
  return value as SQLInputValue
}
