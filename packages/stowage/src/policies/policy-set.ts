import { type Clock, type Events, StowageError } from '@stowage/core'
import { Fresh } from '../app/fresh.ts'
import type { PolicyConfig } from '../config/index.ts'
import type { CatalogPolicies } from './catalog-policies.ts'

/** Where a policy is written down: in the configuration, where it is read-only, or in the catalog, where it can change. */
export type PolicyOrigin = 'file' | 'catalog'

/** A policy that is known. */
export interface KnownPolicy {
  config: PolicyConfig
  origin: PolicyOrigin
  /** Times of its schedule up to then were not missed; 0 for one of the configuration. */
  since: number
}

/** The policies that are known, by id: those of the configuration in its order, then those of the catalog as somebody last changed them. */
export class PolicySet {
  readonly #catalog: CatalogPolicies
  readonly #events: Events
  readonly #fresh: Fresh
  readonly #ofFile: readonly KnownPolicy[]
  /** Ids that were told to be in both places. */
  readonly #clashes = new Set<string>()
  #all: readonly KnownPolicy[]
  #first = true

  constructor(configs: readonly PolicyConfig[], catalog: CatalogPolicies, clock: Clock, events: Events) {
    this.#catalog = catalog
    this.#events = events
    this.#fresh = new Fresh(clock, () => this.#look())
    this.#ofFile = configs.map((config) => ({ config, origin: 'file', since: 0 }))
    this.#all = this.#ofFile
  }

  /** Takes over what changed in the catalog, unless that was done within the last second. */
  fresh(now = false): Promise<void> {
    return this.#fresh.ask(now)
  }

  list(): readonly KnownPolicy[] {
    return this.#all
  }

  find(id: string): KnownPolicy | undefined {
    return this.#all.find(({ config }) => config.id === id)
  }

  /** @throws StowageError `not-found` */
  get(id: string): KnownPolicy {
    const found = this.find(id)
    if (found !== undefined) return found
    const known = this.#all.map(({ config }) => config.id).join(', ')
    throw new StowageError('not-found', `There is no policy "${id}".`, {
      hint: known === '' ? 'stowage policy add makes one.' : `Known policies: ${known}.`,
    })
  }

  /** @throws StowageError `configuration` for a policy of the configuration, which is read-only */
  assertEditable(id: string): void {
    if (!this.#isOfFile(id)) return
    throw new StowageError('configuration', `The policy "${id}" stands in the configuration and cannot be changed.`, {
      field: 'policies',
      hint: 'Change it there and start again.',
    })
  }

  /** @throws StowageError `configuration` when the configuration has this id */
  assertNoClash(id: string): void {
    if (!this.#isOfFile(id)) return
    throw new StowageError('configuration', `The id "${id}" stands for a policy of the configuration.`, {
      field: 'id',
      hint: 'Give one of the two another id.',
    })
  }

  #isOfFile(id: string): boolean {
    return this.#ofFile.some(({ config }) => config.id === id)
  }

  async #look(): Promise<void> {
    const stored = await this.#catalog.list()
    if (this.#first) for (const { id } of stored) this.assertNoClash(id)
    const before = new Map(this.#all.map((known) => [known.config.id, JSON.stringify(known)]))
    const all = [...this.#ofFile]
    for (const policy of stored) {
      const { createdAt: _created, updatedAt: _updated, since, ...config } = policy
      if (!this.#isOfFile(config.id)) all.push({ config, origin: 'catalog', since })
      else this.#tellClash(config.id)
    }
    const changed = all.filter((known) => before.get(known.config.id) !== JSON.stringify(known))
    const still = new Set(all.map(({ config }) => config.id))
    const removed = [...before.keys()].filter((id) => !still.has(id))
    this.#all = all
    const first = this.#first
    this.#first = false
    if (!first && changed.length + removed.length > 0)
      this.#events.emit('policies.changed', { changed: changed.map(({ config }) => config.id), removed })
  }

  #tellClash(id: string): void {
    if (this.#clashes.has(id)) return
    this.#clashes.add(id)
    const message = `The catalog has a policy "${id}" too; the configuration's is used.`
    this.#events.emit('alert', { severity: 'critical', code: 'configuration', message })
  }
}
