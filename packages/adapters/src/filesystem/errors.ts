import { type ErrnoMeaning, errnoOf, meaningOfErrno, StowageError, toStowageError } from '@stowage/core'
import type { Called } from '../shared/index.ts'

const ownFolder = 'Check the owner and mode of the folder.'
const someSpace = 'Free some space and run it again.'

/** What to do about it, where something can be done. */
const hints: Readonly<Record<string, string>> = {
  EACCES: ownFolder,
  EPERM: ownFolder,
  ENOSPC: someSpace,
  EDQUOT: someSpace,
  EFBIG: someSpace,
  EMFILE: 'Raise the limit of open files (ulimit -n).',
  EXDEV: 'A disk mounted inside the root cannot be written atomically; make it a source of its own.',
}

const otherDisk: ErrnoMeaning = {
  code: 'not-supported',
  says: 'the folder lies on another file system than the root',
}

/** True when nothing lies at a path: no entry, or a file where a folder would have to be. */
export function isMissing(error: unknown): boolean {
  const code = errnoOf(error)
  return code === 'ENOENT' || code === 'ENOTDIR'
}

/** Makes a StowageError of what a call into the operating system failed with. */
export function mapFsError(adapter: Called, error: unknown, what: string, key?: string): StowageError {
  const errno = errnoOf(error)
  if (StowageError.isInstance(error) || errno === undefined) return toStowageError(error)
  const { code, says } = errno === 'EXDEV' ? otherDisk : meaningOfErrno(errno)
  const hint = hints[errno]
  return new StowageError(code, `${adapter.id}: ${what}: ${says} (${errno}).`, {
    cause: error,
    sourceId: adapter.id,
    ...(key === undefined ? {} : { key }),
    ...(hint === undefined ? {} : { hint }),
  })
}
