import * as fsp from 'node:fs/promises'
import { type ErrorCode, StowageError, toStowageError } from '@stowage/core'

/** The calls into the operating system that are made here. A test hands in its own to play crashes and other disks. */
export type FileSystem = Pick<
  typeof fsp,
  | 'chmod'
  | 'copyFile'
  | 'link'
  | 'lstat'
  | 'mkdir'
  | 'open'
  | 'readdir'
  | 'readFile'
  | 'readlink'
  | 'rename'
  | 'stat'
  | 'symlink'
  | 'unlink'
  | 'utimes'
>

/** The operating system's own calls. */
export const realFileSystem: FileSystem = fsp

/** The system's error code, such as `ENOENT`, of anything that was thrown. */
export function errnoOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' && /^E[A-Z0-9]+$/.test(code) ? code : undefined
}

/** Gives `undefined` in place of one of these errors. */
export async function unless<T>(work: Promise<T>, ...errnos: string[]): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    if (errnos.includes(errnoOf(error) ?? '')) return undefined
    throw error
  }
}

const meanings: Readonly<Record<string, [code: ErrorCode, says: string]>> = {
  EACCES: ['access-denied', 'permission denied'],
  EPERM: ['access-denied', 'permission denied'],
  EROFS: ['access-denied', 'the file system is read-only'],
  ENOSPC: ['no-space', 'the disk is full'],
  EDQUOT: ['no-space', 'the quota is used up'],
  EFBIG: ['no-space', 'the file system takes no file of this size'],
  ENAMETOOLONG: ['invalid-key', 'the name is too long for the file system'],
  EILSEQ: ['invalid-key', 'the file system refuses the name'],
  EINVAL: ['invalid-key', 'the file system refuses the name'],
  ENOTDIR: ['conflict', 'a part of the path is a file'],
  EISDIR: ['conflict', 'the path is a folder'],
}

/** Makes a StowageError of what a call into the operating system failed with. */
export function fileError(error: unknown, path: string): StowageError {
  const errno = errnoOf(error)
  if (StowageError.isInstance(error) || errno === undefined) return toStowageError(error)
  const [code, says] = meanings[errno] ?? (['unavailable', 'the file system failed'] as const)
  return new StowageError(code, `${path}: ${says} (${errno}).`, {
    cause: error,
    ...(code === 'no-space' ? { hint: 'Free some space and run it again: it goes on from here.' } : {}),
  })
}
