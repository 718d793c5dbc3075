import { sourceTypes } from '../entities/index.ts'
import { StowageError } from '../errors/index.ts'
import { parseEndpoint } from '../network/index.ts'
import { checkSealed, isSecretName, type Sealed } from '../vault/index.ts'
import type { JsonValue, NewSource, SourceChanges, SourceOptions } from './source-store.ts'

/** Fields that a source's credentials may have. */
export const credentialFields = ['accessKey', 'secretKey', 'sessionToken'] as const

/** What an id of a source is made of: it stands in locations (`lan:prefix/`), URLs and metrics. */
const idForm = /^[a-z0-9][a-z0-9_-]{0,62}$/
const MAX_TEXT = 1024
const MAX_OPTIONS = 65_536

/**
 * Checks a source before it is added. Stores call it; what it lets pass is still to be judged by whoever connects to it.
 * @throws StowageError `invalid-request` naming the field; values are not repeated
 */
export function checkNewSource(source: NewSource): void {
  if (!idForm.test(source.id)) {
    throw invalid('id', 'takes lower-case letters, digits, "-" and "_", 63 at most, a letter or digit first')
  }
  if (!sourceTypes.includes(source.type)) throw invalid('type', `must be one of ${sourceTypes.join(', ')}`)
  checkFields(source)
}

/** Checks what is to change. @throws StowageError `invalid-request` naming the field */
export function checkSourceChanges(changes: SourceChanges): void {
  checkFields(changes)
}

function checkFields(fields: SourceChanges): void {
  for (const field of ['name', 'endpoint', 'bucket', 'region'] as const) {
    const value = fields[field]
    if (value === undefined || (value === null && field !== 'name')) continue
    if (typeof value !== 'string' || value === '' || value.length > MAX_TEXT) {
      throw invalid(field, `must be a text of 1 to ${MAX_TEXT} characters`)
    }
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
    if (!value.isWellFormed() || /[\u0000-\u001f\u007f]/.test(value))
      throw invalid(field, 'has characters that do not belong there')
  }
  if (typeof fields.endpoint === 'string') checkEndpoint(fields.endpoint)
  for (const field of ['isPublic', 'enabled'] as const) {
    if (fields[field] !== undefined && typeof fields[field] !== 'boolean') throw invalid(field, 'must be true or false')
  }
  if (fields.priority !== undefined && !Number.isSafeInteger(fields.priority)) {
    throw invalid('priority', 'must be a whole number')
  }
  if (fields.weight !== undefined && !(Number.isFinite(fields.weight) && fields.weight > 0)) {
    throw invalid('weight', 'must be a number above 0')
  }
  if (fields.options !== undefined) checkOptions(fields.options)
  if (fields.credentials) checkCredentials('credentials', fields.credentials)
  if (fields.nextCredentials) checkCredentials('nextCredentials', fields.nextCredentials)
}

/** An endpoint with user information or a signed query would be a key in plain text. */
function checkEndpoint(endpoint: string): void {
  try {
    parseEndpoint(endpoint)
  } catch (cause) {
    const { message, hint } = cause as StowageError
    throw new StowageError('invalid-request', message, {
      cause,
      field: 'endpoint',
      ...(hint === undefined ? {} : { hint }),
    })
  }
}

function checkCredentials(field: string, sealed: Sealed): void {
  checkSealed(sealed)
  const names = Object.keys(sealed.fields)
  if (names.length === 0) throw invalid(field, 'has no sealed field')
  for (const name of names) {
    if (!(credentialFields as readonly string[]).includes(name))
      throw invalid(`${field}.${name}`, 'is not a credential')
  }
}

function checkOptions(options: SourceOptions): void {
  checkJson(options, 'options')
  if (JSON.stringify(options).length > MAX_OPTIONS)
    throw invalid('options', `are longer than ${MAX_OPTIONS} characters`)
}

/** JSON and nothing else, so that it comes back as it went in, and no field whose name says that it is a secret. */
function checkJson(value: JsonValue, field: string, depth = 0): void {
  if (depth > 8) throw invalid(field, 'is nested too deep')
  if (value === null || typeof value === 'boolean') return
  if (typeof value === 'string') {
    if (!value.isWellFormed()) throw invalid(field, 'is not valid Unicode')
    return
  }
  if (typeof value === 'number') {
    if (!Number.isFinite(value) || Object.is(value, -0)) throw invalid(field, 'is not a number that JSON knows')
    return
  }
  if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) checkJson(item, `${field}[${i}]`, depth + 1)
    return
  }
  const prototype: unknown = typeof value === 'object' ? Object.getPrototypeOf(value) : undefined
  if (prototype !== Object.prototype && prototype !== null) throw invalid(field, 'is not JSON')
  for (const [name, item] of Object.entries(value)) {
    if (!name.isWellFormed() || name === '__proto__') throw invalid(field, 'has a name that does not belong there')
    if (isSecretName(name)) {
      throw invalid(
        `${field}.${name}`,
        'looks like a secret; options are stored as plain text',
        'Give it as credentials.',
      )
    }
    checkJson(item, `${field}.${name}`, depth + 1)
  }
}

function invalid(field: string, why: string, hint?: string): StowageError {
  return new StowageError('invalid-request', `The source's ${field} ${why}.`, {
    field,
    ...(hint === undefined ? {} : { hint }),
  })
}
