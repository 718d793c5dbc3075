import { isSecretName, secretForms } from './redact-patterns.ts'
import { MASK, Secret } from './secret.ts'
import { secretPattern } from './secret-forms.ts'

const MAX_DEPTH = 16
/** Objects of one value: an error may hold a socket, and a socket holds nearly everything. */
const MAX_OBJECTS = 5_000
const MAX_PASSES = 8

/** Takes secrets out of texts and values. Made once for a set of secrets, by {@link createRedactor}. */
export interface Redactor {
  text(text: string): string
  value(value: unknown): unknown
}

/** How {@link createRedactor} works. */
export interface RedactorOptions {
  /**
   * Whether what has the form of a secret goes too. `false` leaves signed URLs as they are, and takes out the given secrets alone.
   * @defaultValue true
   */
  forms?: boolean
}

/**
 * Prepares to take these secrets out of what is logged or thrown. A secret goes in whatever way it is written: as it is, in a URL or a
 * form, in JSON or XML, in base64 (also within a longer text) or hexadecimal. Without being told, goes what has the form of a secret:
 * user information in URLs, signatures and tokens in queries, Authorization headers, private keys, fields whose name says so.
 */
export function createRedactor(
  secrets: Iterable<string | Secret> = [],
  { forms = true }: RedactorOptions = {},
): Redactor {
  const texts = Array.from(secrets, (secret) => (typeof secret === 'string' ? secret : secret.reveal()))
  const pattern = secretPattern(texts)
  const mask = [MASK, '***', '###', ''].find((text) => pattern === undefined || text.search(pattern) < 0) ?? ''

  const withoutSecrets = (text: string): string => {
    if (pattern === undefined) return text
    let rest = text
    for (let pass = 0; pass < MAX_PASSES; pass++) {
      if (rest.search(pattern) < 0) return rest
      rest = rest.replace(pattern, mask)
    }
    // The masks themselves kept making new secrets with their neighbours.
    return mask
  }
  const text = (input: string): string => {
    let rest = withoutSecrets(input)
    if (!forms) return rest
    for (const form of secretForms) {
      rest = rest.replace(form, (_, kept: unknown) => `${typeof kept === 'string' ? kept : ''}${mask}`)
    }
    // What a rule left may be joined to its mask.
    return withoutSecrets(rest)
  }
  return { text, value: (value) => copy(value, { text, mask, forms, seen: new Map(), depth: 0 }) }
}

/**
 * A copy of a value, fit for logs, without these secrets and without what has the form of one. Errors stay errors (their message, stack
 * and causes are cleaned), buffers become their length. See {@link createRedactor}, which does more than one value faster.
 *
 * @example
 * ```ts
 * log.error(redact({ url, error }, [accessKey, secretKey]))
 * ```
 */
export function redact<T>(value: T, secrets?: Iterable<string | Secret>): T {
  // A text stays a text and an error an error; other things keep their shape as far as they can be shown.
  return createRedactor(secrets).value(value) as T
}

interface Walk {
  text(text: string): string
  mask: string
  /** Whether a field's name says that it is secret. */
  forms: boolean
  /** Copies of what was met already, for cycles. */
  seen: Map<object, unknown>
  depth: number
}

function copy(value: unknown, walk: Walk): unknown {
  switch (typeof value) {
    case 'string':
      return walk.text(value)
    case 'number':
    case 'bigint': {
      const text = String(value)
      return walk.text(text) === text ? value : walk.mask
    }
    case 'symbol':
      return walk.text(String(value))
    case 'function':
      return '[function]'
    case 'object':
      return value === null ? null : copyObject(value, walk)
    default:
      return value
  }
}

function copyObject(value: object, walk: Walk): unknown {
  if (value instanceof Secret) return walk.mask
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`
  if (value instanceof Date) return new Date(value)
  if (value instanceof URL || value instanceof URLSearchParams || value instanceof RegExp)
    return walk.text(String(value))
  const known = walk.seen.get(value)
  if (known !== undefined) return known
  if (walk.depth >= MAX_DEPTH || walk.seen.size >= MAX_OBJECTS) return '[more]'
  const inner: Walk = { ...walk, depth: walk.depth + 1 }
  if (Array.isArray(value)) return copyArray(value, inner)
  if (value instanceof Set) return copyArray([...value], inner, value)
  if (value instanceof Map || isHeaders(value)) return copyEntries(value, inner)
  return copyFields(value, inner)
}

/** Asked by its tag first: the first look at `Headers` loads all of Node's own fetch, which takes longer than most commands. */
function isHeaders(value: object): value is Headers {
  return Object.prototype.toString.call(value) === '[object Headers]' && value instanceof Headers
}

function copyArray(items: readonly unknown[], walk: Walk, self: object = items): unknown[] {
  const out: unknown[] = []
  walk.seen.set(self, out)
  // Headers also come as a flat list of names and values.
  for (const [i, item] of items.entries()) {
    const before: unknown = i > 0 ? items[i - 1] : undefined
    const named = walk.forms && typeof before === 'string' && typeof item === 'string' && isSecretName(before)
    out.push(named ? walk.mask : copy(item, walk))
  }
  return out
}

function copyEntries(value: Map<unknown, unknown> | Headers, walk: Walk): Map<unknown, unknown> {
  const out = new Map<unknown, unknown>()
  walk.seen.set(value, out)
  for (const [name, item] of value) out.set(copy(name, walk), named(name, item, walk))
  return out
}

function copyFields(value: object, walk: Walk): object {
  const isError = value instanceof Error
  const out: object = isError ? Object.create(Object.getPrototypeOf(value)) : {}
  walk.seen.set(value, out)
  for (const name of Reflect.ownKeys(value)) {
    const described = Object.getOwnPropertyDescriptor(value, name)
    // An error's message, stack and cause are not enumerable, and its mark is a symbol.
    if (described === undefined || (!isError && described.enumerable !== true)) continue
    const key = typeof name === 'string' ? walk.text(name) : name
    const content = named(name, read(value, name), walk)
    Object.defineProperty(out, key, {
      value: content,
      enumerable: described.enumerable === true,
      writable: true,
      configurable: true,
    })
  }
  return out
}

function named(name: unknown, value: unknown, walk: Walk): unknown {
  const hidden =
    walk.forms &&
    typeof name === 'string' &&
    isSecretName(name) &&
    value !== undefined &&
    value !== null &&
    value !== ''
  return hidden && typeof value !== 'boolean' ? walk.mask : copy(value, walk)
}

/** A getter may throw, and what it throws is nobody's business here. */
function read(value: object, name: string | symbol): unknown {
  try {
    return Reflect.get(value, name)
  } catch {
    return '[unreadable]'
  }
}
