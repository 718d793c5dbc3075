import { readFile, stat } from 'node:fs/promises'
import { type Clock, type Events, hasCode, StowageError, toStowageError } from '@stowage/core'
import { compileRules, type RuleSet } from '@stowage/router'
import { Fresh } from '../app/fresh.ts'
import type { SilentCatalog } from '../app/silent-catalog.ts'
import type { RuleSets } from './rule-sets.ts'

/** Rules that others may change are looked at again at most so often, in milliseconds, by whoever makes a decision. */
const lookMs = 500

/** Where the rules in force come from. */
export type RulesOrigin = 'configuration' | 'file' | 'catalog'

/** What {@link RulesInForce} is made of. */
interface RulesInForceOptions {
  /** Of the configuration. */
  own: RuleSet
  /** A file that holds the rules, in place of those of the configuration and the catalog. */
  file?: string
  sets: RuleSets
  clock: Clock
  events: Events
  /** Told when the catalog does not answer, and when it does. */
  silence: SilentCatalog
}

/**
 * The rules by which this process decides. They are swapped whole, between two decisions: those of a file, else those that were put into the
 * catalog, else those of the configuration. What cannot be used is told as an alert, once, and the rules before it stay.
 */
export class RulesInForce {
  readonly #options: RulesInForceOptions
  readonly #fresh: Fresh
  #set: RuleSet
  #origin: RulesOrigin = 'configuration'
  /** Of the file or the record that was looked at last, good or bad. */
  #revision: string | undefined

  constructor(options: RulesInForceOptions) {
    this.#options = options
    this.#set = options.own
    const { clock, file, silence } = options
    const onLate = file === undefined ? { onLate: () => silence.silent('rules') } : {}
    this.#fresh = new Fresh(clock, () => this.#look(), { everyMs: lookMs, ...onLate })
  }

  get set(): RuleSet {
    return this.#set
  }

  get origin(): RulesOrigin {
    return this.#origin
  }

  /**
   * Takes over what changed, unless that was done within the last half second. A catalog that does not answer soon changes nothing.
   * @param now whether to look in any case, and to wait for the answer
   */
  fresh(now = false): Promise<void> {
    return this.#fresh.ask(now)
  }

  /** Reads the rules for the first time. @throws StowageError `configuration` for a file that cannot be used */
  async open(): Promise<void> {
    const { file } = this.#options
    if (file !== undefined) this.#take(await readRules(file), 'file')
    // Before the first decision they must be known.
    await this.fresh(true)
  }

  /** @throws StowageError `configuration` when they come from a file, which alone can change them */
  assertEditable(): void {
    const { file } = this.#options
    if (file === undefined) return
    throw new StowageError('configuration', 'The routing rules come from a file.', {
      field: 'routing.rulesFile',
      hint: `Change ${file}; it is taken over within a second.`,
    })
  }

  async #look(): Promise<void> {
    const { file } = this.#options
    if (file === undefined) await this.#lookAtCatalog()
    else await this.#lookAtFile(file)
  }

  async #lookAtCatalog(): Promise<void> {
    const { sets, own, silence } = this.#options
    let found: Awaited<ReturnType<RuleSets['current']>>
    try {
      found = await sets.current(this.#revision)
    } catch (error) {
      if (!isRefusable(error)) silence.silent('rules', error)
      else {
        silence.answered('rules')
        this.#refuse(error, 'the catalog')
      }
      return
    }
    silence.answered('rules')
    if (found === undefined) {
      if (this.#origin === 'catalog') this.#take({ set: own, revision: undefined }, 'configuration')
    } else if (found.set !== undefined) this.#take({ set: found.set, revision: found.revision }, 'catalog')
  }

  async #lookAtFile(file: string): Promise<void> {
    try {
      if ((await revisionOf(file)) !== this.#revision) this.#take(await readRules(file), 'file')
    } catch (error) {
      this.#refuse(error, file)
    }
  }

  #take({ set, revision }: { set: RuleSet; revision: string | undefined }, origin: RulesOrigin): void {
    this.#set = set
    this.#origin = origin
    this.#revision = revision
    this.#refused = undefined
  }

  #refused: string | undefined

  #refuse(cause: unknown, where: string): void {
    if (!isRefusable(cause)) return
    const { code, message } = toStowageError(cause)
    if (this.#refused === message) return
    this.#refused = message
    this.#options.events.emit('alert', {
      severity: 'critical',
      code,
      message: `New routing rules of ${where} were refused, those before stay: ${message}`,
    })
  }
}

/** Whether rules were found that cannot be used: a catalog that does not answer is no rule set that is wrong. */
function isRefusable(error: unknown): boolean {
  return hasCode(error, 'configuration', 'newer-format')
}

async function readRules(file: string): Promise<{ set: RuleSet; revision: string }> {
  const revision = await revisionOf(file)
  let rules: unknown
  try {
    rules = JSON.parse(await readFile(file, 'utf8'))
  } catch {
    throw new StowageError('configuration', `The routing rules in ${file} cannot be read as JSON.`, {
      field: 'routing.rulesFile',
    })
  }
  return { set: compileRules(rules), revision }
}

async function revisionOf(file: string): Promise<string> {
  try {
    const { mtimeMs, size, ino } = await stat(file)
    return `${mtimeMs}/${size}/${ino}`
  } catch {
    throw new StowageError('configuration', `There is no file ${file} with routing rules.`, {
      field: 'routing.rulesFile',
    })
  }
}
