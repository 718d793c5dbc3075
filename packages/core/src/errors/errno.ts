import type { ErrorCode } from './codes.ts'

/** What an error of the operating system means. */
export interface ErrnoMeaning {
  readonly code: ErrorCode
  /** For a message, after the path: `the disk is full`. */
  readonly says: string
}

const meanings: Readonly<Record<string, ErrnoMeaning>> = {
  EACCES: { code: 'access-denied', says: 'permission denied' },
  EPERM: { code: 'access-denied', says: 'permission denied' },
  EROFS: { code: 'access-denied', says: 'the file system is read-only' },
  ENOSPC: { code: 'no-space', says: 'the disk is full' },
  EDQUOT: { code: 'no-space', says: 'the quota is used up' },
  EFBIG: { code: 'no-space', says: 'the file system takes no file of this size' },
  ENAMETOOLONG: { code: 'invalid-key', says: 'the name is too long for the file system' },
  EILSEQ: { code: 'invalid-key', says: 'the file system refuses the name' },
  EINVAL: { code: 'invalid-key', says: 'the file system refuses the name' },
  EMFILE: { code: 'unavailable', says: 'no file descriptor is left' },
  ENFILE: { code: 'unavailable', says: 'the system has no file descriptor left' },
  ENOTDIR: { code: 'conflict', says: 'a part of the path is a file' },
  EISDIR: { code: 'conflict', says: 'the path is a folder' },
  ENOTEMPTY: { code: 'conflict', says: 'the path is a folder' },
  ELOOP: { code: 'invalid-request', says: 'symbolic links lead in a circle' },
  ENOENT: { code: 'unavailable', says: 'a file or folder vanished meanwhile' },
}

/** The system's error code, such as `ENOENT`, of anything that was thrown. */
export function errnoOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' && /^E[A-Z0-9]+$/.test(code) ? code : undefined
}

/** What a code of the system means for files and folders, `unavailable` where nothing better is known of it. */
export function meaningOfErrno(errno: string): ErrnoMeaning {
  return meanings[errno] ?? { code: 'unavailable', says: 'the file system failed' }
}
