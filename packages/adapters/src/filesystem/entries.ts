import { isUtf8 } from 'node:buffer'
import type { Dirent } from 'node:fs'
import { errnoOf, type SkippedEntry } from '@stowage/core'
import type { Context } from './context.ts'
import { isMissing } from './errors.ts'
import { workFolder } from './options.ts'

/**
 * Names and keys while listing are "byte strings": one character (U+0000 to U+00FF) for each byte of UTF-8. JavaScript's own `<` puts
 * them into byte order, which is the order of a listing.
 */
export function toBytes(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}

/** The text of a byte string. */
export function fromBytes(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8')
}

/** One folder on the way of a listing. */
export interface Folder {
  /** Its key as a byte string: empty for the root, else ending in `/`. */
  readonly key: string
  /** Its path without links. */
  readonly real: string
  /** The real paths of the folders above it: a link back to one of them is a circle. */
  readonly above: ReadonlySet<string>
}

/** A file or folder that a listing goes through. */
export interface Entry {
  /** The name as a byte string; of a folder with `/` behind, which is what sorts it. */
  readonly name: string
  /** The real path. */
  readonly real: string
  readonly isFolder: boolean
}

/** Reads one folder: what can be listed, in byte order, and what cannot. Throws what the system throws when the folder cannot be read. */
export async function readFolder(
  context: Context,
  folder: Folder,
  followLinks: boolean,
  wanted: (name: string) => boolean,
): Promise<{ entries: Entry[]; skipped: SkippedEntry[] }> {
  const entries: Entry[] = []
  const skipped: SkippedEntry[] = []
  const skip = (name: string, reason: string, severity: SkippedEntry['severity'] = 'ignored'): void => {
    skipped.push({ name: fromBytes(folder.key + name), reason, severity })
  }
  const dirents = await context.fs.readdir(folder.real, { withFileTypes: true, encoding: 'buffer' })
  for (const dirent of dirents as Dirent<Buffer>[]) {
    const bytes = dirent.name
    const name = bytes.toString('latin1')
    if (folder.key === '' && name === workFolder) continue
    if (!wanted(name)) continue
    if (!isUtf8(bytes)) {
      skip(name, 'the name is not valid UTF-8', 'problem')
      continue
    }
    const real = `${folder.real === '/' ? '' : folder.real}/${bytes.toString('utf8')}`
    if (dirent.isFile()) entries.push({ name, real, isFolder: false })
    else if (dirent.isDirectory()) entries.push({ name: `${name}/`, real, isFolder: true })
    else if (!dirent.isSymbolicLink()) skip(name, 'neither a file nor a folder')
    else if (!followLinks) skip(name, 'a symbolic link')
    else {
      const found = await followLink(context, folder, name, real)
      if (typeof found === 'string') skip(name, found)
      else entries.push(found)
    }
  }
  entries.sort((a, b) => (a.name < b.name ? -1 : 1))
  return { entries, skipped }
}

/** What a link leads to, or why it is left out. */
async function followLink(context: Context, folder: Folder, name: string, path: string): Promise<Entry | string> {
  const { fs, place } = context
  let real: string
  try {
    real = await fs.realpath(path)
  } catch (error) {
    if (isMissing(error)) return 'a symbolic link to nothing'
    if (errnoOf(error) === 'ELOOP') return 'a symbolic link in a circle'
    throw error
  }
  if (!place.isInside(real, await place.realRoot())) return 'a symbolic link that leads out of the root'
  const status = await fs.stat(real).catch((error: unknown) => {
    if (isMissing(error)) return undefined
    throw error
  })
  if (status?.isFile()) return { name, real, isFolder: false }
  if (!status?.isDirectory()) return 'a symbolic link to neither a file nor a folder'
  if (real === folder.real || folder.above.has(real)) return 'a symbolic link to a folder that it lies in'
  return { name: `${name}/`, real, isFolder: true }
}
