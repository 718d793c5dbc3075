import * as fsp from 'node:fs/promises'
import type { Clock } from '@stowage/core'
import { errnoOf } from './errors.ts'

/** The calls into the operating system that the adapter makes. A test hands in its own to play other disks and failures. */
export type FileSystem = Pick<
  typeof fsp,
  | 'copyFile'
  | 'link'
  | 'lstat'
  | 'mkdir'
  | 'open'
  | 'readdir'
  | 'readFile'
  | 'realpath'
  | 'rename'
  | 'rm'
  | 'rmdir'
  | 'stat'
  | 'statfs'
  | 'unlink'
  | 'utimes'
>

/** The operating system's own calls. */
export const realFileSystem: FileSystem = fsp

const openRetries = 8

/** Waits and tries again when the process has no file descriptor left: others give theirs back. */
export function withPatientOpen(fs: FileSystem, clock: Clock): FileSystem {
  const open: FileSystem['open'] = async (...args) => {
    for (let attempt = 0; ; attempt++) {
      try {
        return await fs.open(...args)
      } catch (error) {
        const code = errnoOf(error)
        if ((code !== 'EMFILE' && code !== 'ENFILE') || attempt === openRetries) throw error
        await clock.sleep(5 * 2 ** attempt)
      }
    }
  }
  return { ...fs, open }
}
