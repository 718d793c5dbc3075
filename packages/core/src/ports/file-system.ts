import * as fsp from 'node:fs/promises'

/** The calls into the operating system by which folders are read and written. A test hands in its own to play other disks, failures and crashes. */
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
  | 'realpath'
  | 'rename'
  | 'rm'
  | 'rmdir'
  | 'stat'
  | 'statfs'
  | 'symlink'
  | 'unlink'
  | 'utimes'
>

/** The operating system's own calls. */
export const systemFiles: FileSystem = fsp
