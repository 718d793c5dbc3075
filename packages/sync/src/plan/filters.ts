import { type ObjectBounds, StowageError } from '@stowage/core'
import picomatch from 'picomatch'
import type { PlannedObject } from './listing.ts'

/** Says whether a key takes part. */
export type KeyFilter = (key: string) => boolean

/**
 * Makes a filter of globs over keys relative to the prefixes. A key takes part when it matches one of `include` (all do when there is
 * none) and none of `exclude`. A glob without a slash looks at the name alone, at any depth (`*.tmp`); one that ends in a slash means
 * everything below (`cache/`).
 *
 * @throws StowageError `configuration` for an empty glob, or one with a bracket that is never closed
 */
export function keyFilter(include: readonly string[] = [], exclude: readonly string[] = []): KeyFilter {
  const wanted = include.map((glob) => matcher(glob, 'include'))
  const unwanted = exclude.map((glob) => matcher(glob, 'exclude'))
  return (key) => (wanted.length === 0 || wanted.some((match) => match(key))) && !unwanted.some((match) => match(key))
}

function matcher(glob: string, field: string): KeyFilter {
  if (glob === '' || glob === '/')
    throw new StowageError('configuration', `An empty glob in "${field}" matches nothing.`, { field })
  const trimmed = glob.startsWith('/') ? glob.slice(1) : glob
  const anchored = glob.startsWith('/')
  const folder = trimmed.endsWith('/')
  const pattern = folder ? `${trimmed}**` : trimmed
  const nameOnly = !anchored && !pattern.includes('/')
  // Flag s: a key may hold line breaks, and "any character" means those too.
  const options = { dot: true, basename: nameOnly, windows: false, flags: 's', strictBrackets: true }
  try {
    return picomatch(pattern, options)
  } catch (cause) {
    throw new StowageError('configuration', `The glob "${glob}" in "${field}" has a bracket without its other half.`, {
      field,
      cause,
      hint: 'Write a backslash before a bracket that is meant as it is.',
    })
  }
}

/** Says whether an object takes part. */
export type ObjectFilter = (object: PlannedObject) => boolean

/** Makes a filter of sizes and ages. @param now milliseconds since the epoch, from which ages count */
export function objectFilter(bounds: ObjectBounds, now: number): ObjectFilter {
  const { minSize = 0, maxSize = Number.POSITIVE_INFINITY, minAgeMs, maxAgeMs } = bounds
  const newest = minAgeMs === undefined ? Number.POSITIVE_INFINITY : now - minAgeMs
  const oldest = maxAgeMs === undefined ? Number.NEGATIVE_INFINITY : now - maxAgeMs
  return ({ size, lastModified = now }) =>
    size >= minSize && size <= maxSize && lastModified <= newest && lastModified >= oldest
}

/** True for keys in a `.stowage/` folder: Stowage's own, of a managed root or of a local catalog. They are never copied or deleted by a plain sync. */
export function isOwnKey(key: string): boolean {
  return key.startsWith('.stowage/') || key.includes('/.stowage/')
}

/** The marker of a managed root, anywhere. */
export function isRootMarker(key: string): boolean {
  return key === ROOT_MARKER || key.endsWith(`/${ROOT_MARKER}`)
}

/** The object that marks the folder it lies in as managed by a catalog. */
export const ROOT_MARKER = '.stowage/root.json'
