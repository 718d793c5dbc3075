import type {
  Clock,
  DataKeyRow,
  NewSource,
  SealedCredentials,
  SourceChanges,
  SourceChangesSince,
  SourceStore,
  StoredSource,
} from '@stowage/core'
import { type CatalogDatabase, type Context, contextOf } from '../database/index.ts'
import { changes } from './changes.ts'
import * as credentials from './credentials.ts'
import { remove } from './removal.ts'
import * as sources from './sources.ts'

/** The catalog of sources in SQL. */
export class SqlSourceStore implements SourceStore {
  readonly #context: Context
  readonly #onClose: () => Promise<void>

  constructor(database: CatalogDatabase, clock: Clock, onClose: () => Promise<void>) {
    this.#context = contextOf(database, clock)
    this.#onClose = onClose
  }

  async add(source: NewSource): Promise<StoredSource> {
    return sources.add(this.#context, source)
  }

  async get(id: string): Promise<StoredSource | undefined> {
    return sources.get(this.#context, id)
  }

  async list(): Promise<StoredSource[]> {
    return sources.list(this.#context)
  }

  async update(id: string, change: SourceChanges, expected: string): Promise<StoredSource> {
    return sources.update(this.#context, id, change, expected)
  }

  async setEnabled(id: string, enabled: boolean): Promise<StoredSource> {
    return sources.setEnabled(this.#context, id, enabled)
  }

  async remove(id: string, expected?: string): Promise<void> {
    await remove(this.#context, id, expected)
  }

  async getCredentials(id: string): Promise<SealedCredentials | undefined> {
    return credentials.getCredentials(this.#context, id)
  }

  async promoteCredentials(id: string, expected: string): Promise<StoredSource> {
    return credentials.promoteCredentials(this.#context, id, expected)
  }

  async setHealthChecked(id: string, at: number): Promise<void> {
    await sources.setHealthChecked(this.#context, id, at)
  }

  async changes(since?: string): Promise<SourceChangesSince> {
    return changes(this.#context, since)
  }

  async listDataKeys(options: { after?: Pick<DataKeyRow, 'sourceId' | 'slot'>; limit: number }): Promise<DataKeyRow[]> {
    return credentials.listDataKeys(this.#context, options)
  }

  async swapDataKey(row: DataKeyRow, dataKey: Uint8Array): Promise<boolean> {
    return credentials.swapDataKey(this.#context, row, dataKey)
  }

  async close(): Promise<void> {
    await this.#onClose()
  }
}
