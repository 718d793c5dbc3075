import { checkKey, type Location } from '@stowage/core'
import type { Side } from '../plan/index.ts'

/** Digits of the digest in a name: enough that two versions of one object never meet. */
const digits = 12

/** Bytes that a name may have, so that every store takes it. */
const nameBytes = 255

/**
 * The key under which the version that lost its name is kept: `a/photo.conflict-target-0123456789ab.jpg`. It depends on nothing but the
 * key, the side and the contents, so that whoever comes to the same conflict again finds what is there already.
 */
export function conflictKey(key: string, side: Side, digest: string): string {
  const slash = key.lastIndexOf('/') + 1
  const name = key.slice(slash)
  const dot = name.lastIndexOf('.')
  const extension = dot > 0 && name.length - dot <= 32 ? name.slice(dot) : ''
  const label = `.conflict-${side === 'from' ? 'source' : 'target'}-${digest.slice(0, digits)}`
  const room = nameBytes - Buffer.byteLength(label + extension)
  return key.slice(0, slash) + cut(name.slice(0, name.length - extension.length), room) + label + extension
}

/** As much of a text as fits into so many bytes, without half a character at the end. */
function cut(text: string, bytes: number): string {
  let kept = ''
  let left = bytes
  for (const character of text) {
    left -= Buffer.byteLength(character)
    if (left < 0) break
    kept += character
  }
  return kept
}

/** Why one of the places cannot hold a key. */
export function whyNot(key: string, ...places: Location[]): string | undefined {
  for (const { adapter, prefix } of places) {
    const reason = checkKey(prefix + key, adapter.capabilities.keys)
    if (reason !== undefined) return reason
  }
  return undefined
}
