import { type Draft, hasCode, type StorageAdapter, StowageError } from '@stowage/core'
import type { Context } from '../../app/context.ts'
import { PathGuard } from '../path-guard.ts'
import { DraftNotes, type Found, type SignedRecord } from './notes.ts'

/** A draft, and what is needed to work on it. */
export interface DraftScope {
  readonly context: Context
  readonly draft: Draft
  readonly notes: DraftNotes
}

export function scopeOf(context: Context, draft: Draft): DraftScope {
  return { context, draft, notes: new DraftNotes(context.records, draft.id) }
}

export function adapterOf({ context, draft }: DraftScope): Promise<StorageAdapter> {
  return context.sources.adapter(draft.sourceId)
}

/** @throws StowageError `invalid-key` for a path that not every store can hold */
export function checkPath(path: string): void {
  const problem = new PathGuard().problem(path)
  if (problem !== undefined) throw new StowageError('invalid-key', `The path "${path}" ${problem}.`, { key: path })
}

/** Throws away every unfinished upload of a key that only one writer has. */
export async function abortAll(adapter: StorageAdapter, key: string): Promise<void> {
  for (const upload of await adapter.multipart.list(key)) {
    if (upload.key === key) await adapter.multipart.abort(key, upload.uploadId)
  }
}

/** Changes the note of an upload; `undefined` when somebody else changed it first. */
export async function change(
  { notes }: DraftScope,
  found: Found<SignedRecord> | undefined,
  value: SignedRecord,
): Promise<Found<SignedRecord> | undefined> {
  try {
    return await notes.write(notes.signed(value.path), value, found?.revision ?? null)
  } catch (error) {
    if (hasCode(error, 'conflict')) return undefined
    throw error
  }
}
