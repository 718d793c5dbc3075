import { hasCode, StowageError, type SyncStore } from '@stowage/core'
import { compileRules, type ParsedRouting, type RuleSet, ruleSetData } from '@stowage/router'

/** The set in force, and every set that a recorded decision was made by. */
const currentKey = 'routing/rules'
const setKey = (hash: string): string => `routing/sets/${hash}`

/** Version of the records; a process refuses what is newer than it knows. */
const FORMAT = 1

interface StoredSet {
  format: number
  hash: string
  rules: ParsedRouting
}

/** Rule sets in the catalog. */
export class RuleSets {
  readonly #store: SyncStore
  readonly #kept = new Set<string>()

  constructor(store: SyncStore) {
    this.#store = store
  }

  /**
   * The set that was put in force, and its revision; `undefined` when there is none.
   * @param known a revision whose set is known already: its rules are not compiled again
   * @throws StowageError `configuration` or `newer-format` for a set that cannot be used
   */
  async current(known?: string): Promise<{ revision: string; set?: RuleSet } | undefined> {
    const record = await this.#store.get(currentKey)
    if (record === undefined) return undefined
    const { revision } = record
    return revision === known ? { revision } : { revision, set: setOf(record.value) }
  }

  /** Puts a set in force, for every process that uses this catalog. */
  async put(set: RuleSet): Promise<void> {
    await this.keep(set)
    const before = await this.#store.get(currentKey)
    await this.#store.put(currentKey, bytesOf(set), before?.revision ?? null)
  }

  /** Takes the set out of force: each process goes by its configuration again. */
  async remove(): Promise<void> {
    await this.#store.delete(currentKey)
  }

  /** Keeps a set, so that decisions by it can be made once more. */
  async keep(set: RuleSet): Promise<void> {
    if (this.#kept.has(set.hash)) return
    try {
      await this.#store.put(setKey(set.hash), bytesOf(set), null)
    } catch (error) {
      // Equal hashes are equal sets: another process kept it.
      if (!hasCode(error, 'conflict')) throw error
    }
    this.#kept.add(set.hash)
  }

  /** @throws StowageError `not-found` when no set of that hash was kept */
  async byHash(hash: string): Promise<RuleSet> {
    const record = await this.#store.get(setKey(hash))
    if (record !== undefined) return setOf(record.value)
    throw new StowageError('not-found', `There is no rule set ${hash} in the catalog.`)
  }
}

function bytesOf(set: RuleSet): Uint8Array {
  const stored: StoredSet = { format: FORMAT, hash: set.hash, rules: ruleSetData(set) }
  return Buffer.from(JSON.stringify(stored))
}

function setOf(value: Uint8Array): RuleSet {
  let stored: Partial<StoredSet>
  try {
    stored = JSON.parse(Buffer.from(value).toString()) as Partial<StoredSet>
  } catch {
    throw new StowageError('configuration', 'The routing rules in the catalog cannot be read.', {
      hint: 'Put them there again with "stowage route rules set FILE".',
    })
  }
  if (stored.format !== FORMAT) {
    throw new StowageError('newer-format', `The routing rules in the catalog have format ${stored.format}.`, {
      hint: 'Use the version of Stowage that wrote them.',
    })
  }
  return compileRules(stored.rules)
}
