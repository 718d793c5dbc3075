import { join } from 'node:path'

/** Longest name of a file or folder made here, without the sign at its end. */
const pieceLength = 200

/**
 * The file of a record: in one folder for all records with the same parent. Names are spelled so that no key is a special name anywhere
 * (`..`, `con`), and cut into nested folders where they would be too long: `=` ends a name that goes on below, `~` one that is whole.
 */
export function recordPath(root: string, key: string): string {
  const slash = key.lastIndexOf('/')
  const parent = slash < 0 ? 'n' : `d${key.slice(0, slash).replaceAll('/', '+')}`
  return join(root, ...pieces(parent), ...pieces(`r${key.slice(slash + 1)}`))
}

function pieces(name: string): string[] {
  const all: string[] = []
  let rest = name
  while (rest.length > pieceLength) {
    all.push(`${rest.slice(0, pieceLength)}=`)
    rest = rest.slice(pieceLength)
  }
  return [...all, `${rest}~`]
}

/** Reads a name back: what it spells, and whether it goes on below. */
export function spelled(name: string): { text: string; goesOn: boolean } {
  return { text: name.slice(0, -1), goesOn: name.endsWith('=') }
}

/** What a parent's name spells, as the beginning of keys. */
export function parentOf(text: string): string {
  return text === 'n' ? '' : `${text.slice(1).replaceAll('+', '/')}/`
}
