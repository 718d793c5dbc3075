import { MAX_RECORD_VALUE, StowageError } from '@stowage/core'
import type { PolicyConfig } from '../config/index.ts'
import { type PolicyList, policyKeys, type StoredPolicy } from './policy-records.ts'
import type { Records } from './records.ts'

/** Bytes that all policies may take as JSON: they lie in one record. */
const mostBytes = MAX_RECORD_VALUE - 1024

/** The policies that the catalog keeps. */
export class CatalogPolicies {
  readonly #records: Records

  constructor(records: Records) {
    this.#records = records
  }

  async list(): Promise<StoredPolicy[]> {
    return (await this.#records.read<PolicyList>(policyKeys.list))?.policies ?? []
  }

  /** @throws StowageError `invalid-request` for an id that is taken */
  async add(config: PolicyConfig): Promise<void> {
    const now = await this.#records.now()
    const policy: StoredPolicy = { ...config, createdAt: now, updatedAt: now, since: now }
    await this.#change((policies) => {
      if (policies.some(({ id }) => id === config.id)) {
        throw new StowageError('invalid-request', `There is a policy "${config.id}" already.`, {
          field: 'id',
          hint: 'Remove it first, or choose another id.',
        })
      }
      return [...policies, policy].sort((a, b) => (a.id < b.id ? -1 : 1))
    })
  }

  /** Removing one that is gone is no error. */
  async remove(id: string): Promise<void> {
    await this.#change((policies) => policies.filter((policy) => policy.id !== id))
  }

  /** @throws StowageError `not-found` */
  async setEnabled(id: string, enabled: boolean): Promise<void> {
    const now = await this.#records.now()
    await this.#change((policies) => {
      const policy = policies.find((one) => one.id === id)
      if (policy === undefined) {
        throw new StowageError('not-found', `There is no policy "${id}" in the catalog.`, {
          hint: 'stowage policy list shows them.',
        })
      }
      if ((policy.enabled ?? true) === enabled) return policies
      const changed = { ...policy, enabled, updatedAt: now, since: enabled ? now : policy.since }
      return policies.map((one) => (one === policy ? changed : one))
    })
  }

  async #change(change: (policies: StoredPolicy[]) => StoredPolicy[]): Promise<void> {
    await this.#records.change<PolicyList>(policyKeys.list, (before) => {
      const policies = change(before?.policies ?? [])
      if (Buffer.byteLength(JSON.stringify(policies)) > mostBytes) {
        throw new StowageError('invalid-request', 'The catalog has no room for another policy.', {
          field: 'policies',
          hint: 'Remove some, or write them into the configuration.',
        })
      }
      return policies.length === 0 && before === undefined ? undefined : { policies }
    })
  }
}
