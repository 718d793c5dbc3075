import { type StorageAdapter, StowageError } from '@stowage/core'
import { forgetBlocks } from './declared.ts'
import type { Found, SignedRecord } from './notes.ts'
import { abortAll, change, type DraftScope } from './scope.ts'

/** What a file must be known to be in, so that it is not deleted. */
export type Holds = (file: Pick<SignedRecord, 'path' | 'key'>) => Promise<boolean>

/** Whether the open draft has this very object. */
export function inDraft({ context, draft }: DraftScope): Holds {
  return async ({ path, key }) => (await context.catalog.getDraftFile(draft.id, path))?.key === key
}

/**
 * Ends an attempt: from here on nothing can be accepted at its key, so what lies there can be deleted, now and whenever a URL that is still good
 * was used again. Returns `undefined` when somebody else changed the note first.
 */
export async function refuse(
  scope: DraftScope,
  adapter: StorageAdapter,
  found: Found<SignedRecord>,
  why: NonNullable<SignedRecord['why']>,
  holds: Holds = inDraft(scope),
): Promise<Found<SignedRecord> | undefined> {
  const refused = await change(scope, found, { ...found.value, state: 'refused', why })
  if (refused === undefined) return undefined
  await forgetBlocks(scope.notes, refused.value)
  await clear(scope, adapter, refused.value, holds)
  return refused
}

/** Deletes what a refused attempt left in the store. Safe to repeat. */
export async function clear(
  { draft }: Pick<DraftScope, 'draft'>,
  adapter: StorageAdapter,
  attempt: Pick<SignedRecord, 'path' | 'key' | 'partSize'>,
  holds: Holds,
): Promise<void> {
  const key = draft.path + attempt.key
  if (attempt.partSize !== null) await abortAll(adapter, key)
  // Another upload to the same path may have found the same bytes there, and counts on them.
  if (!(await holds(attempt))) await adapter.delete(key)
}

/** What to tell whoever asks for a refused attempt. */
export function refusal({ path, why }: Pick<SignedRecord, 'path' | 'why'>): StowageError {
  return new StowageError(why?.code ?? 'conflict', why?.message ?? `The upload of "${path}" was given up.`, {
    key: path,
    retryable: false,
    hint: 'Nothing of it is kept. Begin it again with signUpload.',
  })
}
