import type { DatasetStore, OutboxEntry } from '@stowage/core'
import { type ProcessIdentity, processOwner } from '@stowage/sync'
import { policyKeys } from './policy-records.ts'
import type { Records } from './records.ts'

/** Who is at a publication. */
interface Holder {
  id: number
  /** Tells one holder of the entry from the next. */
  attempts: number
  owner: ProcessIdentity
}

type Entry = Pick<OutboxEntry, 'id' | 'attempts'>

/**
 * Which process is at which publication, beside the outbox, which knows times alone: so what a process was at that died is free for others of its
 * machine at once. Nothing depends on these records: where one is missing, or cannot be written or read, the time is waited for.
 */
export class Holders {
  readonly #records: Records
  readonly #catalog: Pick<DatasetStore, 'releaseOutbox'>

  constructor(records: Records, catalog: Pick<DatasetStore, 'releaseOutbox'>) {
    this.#records = records
    this.#catalog = catalog
  }

  /** Writes down that this process is at an entry that it took. */
  async begin({ id, attempts }: Entry): Promise<void> {
    await unread(this.#records.write(keyOf(id), { id, attempts, owner: processOwner.identity } satisfies Holder))
  }

  /** To be called before the entry is finished or given back. */
  async end({ id }: Entry): Promise<void> {
    await unread(this.#records.delete(keyOf(id)))
  }

  /** Whether some process of this machine is at an entry. */
  async areHere(signal?: AbortSignal): Promise<boolean> {
    const keys = await unread(this.#records.list(policyKeys.holders, { limit: 1000 }, signal))
    for (const key of keys ?? []) {
      const holder = await unread(this.#records.read<Holder>(key, signal))
      if (holder?.owner.host === processOwner.identity.host) return true
    }
    return false
  }

  /** Gives back what dead processes of this machine were at. */
  async giveBack(signal?: AbortSignal): Promise<void> {
    const keys = await unread(this.#records.list(policyKeys.holders, { limit: 1000 }, signal))
    for (const key of keys ?? []) {
      // One that a newer version wrote says nothing here, and keeps nobody from what else there is to do.
      const holder = await unread(this.#records.read<Holder>(key, signal))
      if (holder === undefined || !processOwner.isDead(holder.owner)) continue
      // Without effect when somebody else took it meanwhile.
      await this.#catalog.releaseOutbox(holder)
      await unread(this.#records.delete(key, signal))
    }
  }
}

/** What a call about these records gives; nothing when it fails. */
function unread<T>(call: Promise<T>): Promise<T | undefined> {
  return call.catch(() => undefined)
}

function keyOf(id: number): string {
  return `${policyKeys.holders}${id}`
}
