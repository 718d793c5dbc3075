import { type ErrorCode, StowageError, toStowageError } from '@stowage/core'
import type { Called } from '../shared/index.ts'

interface Meaning {
  code: ErrorCode
  says: string
  hint?: string
}

const meanings: Readonly<Record<string, Meaning>> = {
  EACCES: denied(),
  EPERM: denied(),
  EROFS: { code: 'access-denied', says: 'the file system is read-only' },
  ENOSPC: noSpace('the disk is full'),
  EDQUOT: noSpace('the quota is used up'),
  EFBIG: noSpace('the file system takes no file of this size'),
  ENAMETOOLONG: { code: 'invalid-key', says: 'the name is too long for the file system' },
  EILSEQ: { code: 'invalid-key', says: 'the file system refuses the name' },
  EINVAL: { code: 'invalid-key', says: 'the file system refuses the name' },
  EMFILE: {
    code: 'unavailable',
    says: 'no file descriptor is left',
    hint: 'Raise the limit of open files (ulimit -n).',
  },
  ENFILE: { code: 'unavailable', says: 'the system has no file descriptor left' },
  EXDEV: {
    code: 'not-supported',
    says: 'the folder lies on another file system than the root',
    hint: 'A disk mounted inside the root cannot be written atomically; make it a source of its own.',
  },
  ENOTDIR: { code: 'conflict', says: 'a part of the path is a file' },
  EISDIR: { code: 'conflict', says: 'the path is a folder' },
  ENOTEMPTY: { code: 'conflict', says: 'the path is a folder' },
  ELOOP: { code: 'invalid-request', says: 'symbolic links lead in a circle' },
  ENOENT: { code: 'unavailable', says: 'a file or folder vanished meanwhile' },
}

function denied(): Meaning {
  return { code: 'access-denied', says: 'permission denied', hint: 'Check the owner and mode of the folder.' }
}

function noSpace(says: string): Meaning {
  return { code: 'no-space', says, hint: 'Free some space and run it again.' }
}

/** The system's error code, such as `ENOENT`, of anything that was thrown. */
export function errnoOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' && /^E[A-Z0-9]+$/.test(code) ? code : undefined
}

/** True when nothing lies at a path: no entry, or a file where a folder would have to be. */
export function isMissing(error: unknown): boolean {
  const code = errnoOf(error)
  return code === 'ENOENT' || code === 'ENOTDIR'
}

/** Makes a StowageError of what a call into the operating system failed with. The one place where errno codes get their meaning. */
export function mapFsError(adapter: Called, error: unknown, what: string, key?: string): StowageError {
  const errno = errnoOf(error)
  if (StowageError.isInstance(error) || errno === undefined) return toStowageError(error)
  const meaning: Meaning = meanings[errno] ?? { code: 'unavailable', says: 'the file system failed' }
  return new StowageError(meaning.code, `${adapter.id}: ${what}: ${meaning.says} (${errno}).`, {
    cause: error,
    sourceId: adapter.id,
    ...(key === undefined ? {} : { key }),
    ...(meaning.hint === undefined ? {} : { hint: meaning.hint }),
  })
}
