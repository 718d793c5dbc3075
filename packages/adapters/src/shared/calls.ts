import { type Capabilities, checkKey, type ObjectAttributes, type ObjectHeaders, StowageError } from '@stowage/core'

/** What the checks of a call need to know of the adapter. */
export interface Called {
  readonly id: string
  readonly capabilities: Capabilities
}

/**
 * Refuses a key that the store would refuse, fold or hide.
 * @param inParts whether it is the key of an upload in parts
 * @throws StowageError `invalid-key`
 */
export function assertKey(adapter: Called, key: string, inParts = false): void {
  const reason = checkKey(key, adapter.capabilities.keys, inParts)
  if (reason === undefined) return
  throw new StowageError('invalid-key', `${adapter.id}: the key ${JSON.stringify(key)} ${reason}.`, {
    key,
    sourceId: adapter.id,
    hint: 'Rename the object; the source cannot hold this key.',
  })
}

/** Whether any key that the store can hold begins with this text. Some stores answer with an error where no key can. */
export function canBePrefix(adapter: Called, prefix: string): boolean {
  const { keys } = adapter.capabilities
  return prefix === '' || checkKey(prefix, keys) === undefined || checkKey(`${prefix}x`, keys) === undefined
}

/** Refuses what the capabilities do not declare. @throws StowageError `not-supported` */
export function assertSupported(adapter: Called, declared: boolean, what: string): void {
  if (!declared) throw notSupported(adapter, what)
}

/** The error for what a store cannot do. */
export function notSupported(adapter: Called, what: string): StowageError {
  return new StowageError('not-supported', `${adapter.id}: ${what} is not supported by this source.`, {
    sourceId: adapter.id,
    hint: "Look at the adapter's capabilities before asking.",
  })
}

/** The error for calls after `close`. */
export function closed(adapter: Called): StowageError {
  return new StowageError('invalid-request', `${adapter.id}: the adapter is closed.`, { sourceId: adapter.id })
}

/** The error for an object that is not there. */
export function notFound(adapter: Called, key: string, cause?: unknown): StowageError {
  return new StowageError('not-found', `${adapter.id}: there is no object ${JSON.stringify(key)}.`, {
    key,
    sourceId: adapter.id,
    ...(cause === undefined ? {} : { cause }),
  })
}

/** The error for a conditional request that did not hold. */
export function preconditionFailed(adapter: Called, key: string, what: string, cause?: unknown): StowageError {
  return new StowageError('precondition-failed', `${adapter.id}: ${JSON.stringify(key)} ${what}.`, {
    key,
    sourceId: adapter.id,
    ...(cause === undefined ? {} : { cause }),
  })
}

/** The error for an upload id that is not known (any more). */
export function uploadNotFound(adapter: Called, key: string, cause?: unknown): StowageError {
  return new StowageError('not-found', `${adapter.id}: no such unfinished upload of ${JSON.stringify(key)}.`, {
    key,
    sourceId: adapter.id,
    hint: 'It was completed or aborted; start a new one.',
    ...(cause === undefined ? {} : { cause }),
  })
}

// A token of RFC 9110 in lower case: what all stores take as the rest of a header's name.
const metadataName = /^[a-z0-9!#$%&'*+.^_`|~-]+$/
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const unprintable = /[\u0000-\u001f\u007f]/

const headerNames = ['contentType', 'cacheControl', 'contentDisposition', 'contentEncoding', 'contentLanguage'] as const

/**
 * Takes the headers and metadata out of a call's options, checked: only what was given, names of metadata in lower case.
 * @throws StowageError `invalid-request`; `not-supported` for tags and storage classes where there are none
 */
export function headersOf(adapter: Called, options: ObjectAttributes | undefined): ObjectHeaders {
  const headers: ObjectHeaders = {}
  if (options === undefined) return headers
  assertSupported(adapter, options.tags === undefined || adapter.capabilities.tags, 'tags')
  assertSupported(adapter, options.storageClass === undefined || adapter.capabilities.storageClasses, 'storageClass')
  for (const name of headerNames) {
    const value = options[name]
    if (value === undefined) continue
    if (value === '' || unprintable.test(value)) throw badHeader(adapter, name, 'is empty or has a control character')
    headers[name] = value
  }
  if (options.metadata !== undefined) {
    for (const [name, value] of Object.entries(options.metadata)) {
      if (!metadataName.test(name)) throw badHeader(adapter, `metadata.${name}`, 'is not a lower-case header name')
      if (!value.isWellFormed()) throw badHeader(adapter, `metadata.${name}`, 'is not valid Unicode')
    }
    headers.metadata = { ...options.metadata }
  }
  return headers
}

function badHeader(adapter: Called, field: string, why: string): StowageError {
  return new StowageError('invalid-request', `${adapter.id}: ${field} ${why}.`, { field, sourceId: adapter.id })
}
