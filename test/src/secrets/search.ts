/** Looks for the marker of the run, in whatever way a secret with it may have been written. */
import { inspect, stripVTControlCharacters } from 'node:util'
import { runMarker } from './marker.ts'

/** Ways to write a text, by name. */
export type Form = 'plain' | 'base64' | 'hex' | 'decimal'

/** The longest that one form of the marker can be: a character written as `%252525xx` or as an escape within JSON within JSON. */
const longestForm = 400

const mask = '[secret of the tests]'

/** One character: as it is, or escaped for a URL, for JSON, for XML, each also more than once. */
function plain(character: string): string {
  const code = character.charCodeAt(0)
  const hex = code.toString(16)
  return `(?:${character}|%(?:25){0,3}${hex}|\\\\{1,4}(?:u00|x)${hex}|&#(?:0*${code}|x0*${hex});)`
}

/** Within a longer text the marker begins at any byte of a group of three. Characters that hold neighbours' bits are left out. */
function base64(marker: string): string {
  const fragments = [0, 1, 2].map((before) => {
    const text = Buffer.concat([Buffer.alloc(before), Buffer.from(marker)]).toString('base64')
    return text.slice(Math.ceil((before * 8) / 6), Math.floor(((before + marker.length) * 8) / 6))
  })
  // Neither `+` nor `/` comes of letters and digits alone, except of what stands beside them.
  return fragments.map((fragment) => fragment.replace(/[+/]/g, '[+/_-]')).join('|')
}

function patterns(marker: string): Record<Form, RegExp> {
  const bytes = [...Buffer.from(marker)]
  const forms = {
    plain: [...marker].map(plain).join(''),
    base64: base64(marker),
    // Buffers are shown as `<Buffer 61 62>`, byte arrays as `97, 98` over several lines.
    hex: bytes.map((byte) => byte.toString(16)).join('[\\s:,]{0,8}(?:0x)?'),
    decimal: bytes.join(',\\s{0,20}'),
  }
  const compiled = Object.entries(forms).map(([form, source]) => [form, new RegExp(source, 'gi')])
  return Object.fromEntries(compiled) as Record<Form, RegExp>
}

let compiled: { marker: string; patterns: Record<Form, RegExp> } | undefined

function current(): [Form, RegExp][] {
  const marker = runMarker()
  if (compiled?.marker !== marker) compiled = { marker, patterns: patterns(marker) }
  return Object.entries(compiled.patterns) as [Form, RegExp][]
}

/** The form in which the text has a secret, if it has one. */
export function findSecret(text: string): Form | undefined {
  const bare = stripVTControlCharacters(text)
  return current().find(([, pattern]) => bare.search(pattern) >= 0)?.[0]
}

/** The same for a value, as the console could show it. */
export function findSecretIn(value: unknown): Form | undefined {
  const all = { depth: 12, showHidden: true, maxArrayLength: null, maxStringLength: null, breakLength: Infinity }
  return findSecret(typeof value === 'string' ? value : inspect(value, all))
}

/** The text without secrets of the tests. */
export function maskSecrets(text: string): string {
  let masked = text
  for (const [, pattern] of current()) masked = masked.replace(pattern, mask)
  return masked
}

/** Searches a stream, also what is spread over two chunks of it. */
export class StreamSearch {
  readonly #decoder = new TextDecoder()
  #rest = ''

  /** What was found up to this chunk. */
  next(chunk: string | Uint8Array): Form | undefined {
    const text = this.#rest + (typeof chunk === 'string' ? chunk : this.#decoder.decode(chunk, { stream: true }))
    const found = findSecret(text)
    this.#rest = found === undefined ? text.slice(-longestForm) : ''
    return found
  }
}
