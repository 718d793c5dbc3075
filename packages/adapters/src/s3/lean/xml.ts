import { malformed } from '../errors.ts'

/**
 * Told of each element when it ends: its name, its parent's, its depth (1 for the root) and, of an element without children, its text.
 */
export type OnElement = (name: string, parent: string, depth: number, text: string) => void

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }
const notBlank = /[^ \t\r\n]/
const notAName = /[ \t\r\n<>/=&"']/
const slash = 0x2f
const bang = 0x21
const question = 0x3f
const greater = 0x3e

/**
 * Reads XML in one pass, as much of it as stores write: elements, attributes (passed over), text, entities, CDATA, comments and
 * instructions. No document types, and so no entities of a document's own.
 *
 * @throws Error for everything that is not well formed, an end that comes too early above all
 */
export function readXml(xml: string, onElement: OnElement): void {
  const open: string[] = []
  // A listing has few names, each thousands of times.
  const names = new Map<string, string>()
  let text = ''
  let isLeaf = false
  let seenRoot = false
  let at = xml.charCodeAt(0) === 0xfeff ? 1 : 0
  for (;;) {
    const tag = xml.indexOf('<', at)
    const until = tag < 0 ? xml.length : tag
    if (until > at) {
      if (open.length > 0) {
        if (isLeaf) text += unescaped(xml.slice(at, until))
      } else if (notBlank.test(xml.slice(at, until))) throw malformed('there is text outside the document')
    }
    if (tag < 0) break
    const first = xml.charCodeAt(tag + 1)
    if (first === slash) {
      const name = open.pop()
      if (name === undefined || !xml.startsWith(name, tag + 2)) throw malformed('tags do not match')
      const behind = tag + 2 + name.length
      const end = xml.charCodeAt(behind) === greater ? behind : indexOf(xml, '>', behind)
      if (end > behind && notBlank.test(xml.slice(behind, end))) throw malformed('tags do not match')
      onElement(name, open.at(-1) ?? '', open.length + 1, isLeaf ? text : '')
      isLeaf = false
      at = end + 1
    } else if (first === question) {
      at = indexOf(xml, '?>', tag + 2) + 2
    } else if (first === bang) {
      if (xml.startsWith('<!--', tag)) at = indexOf(xml, '-->', tag + 4) + 3
      else if (xml.startsWith('<![CDATA[', tag) && open.length > 0) {
        const end = indexOf(xml, ']]>', tag + 9)
        if (isLeaf) text += newlines(xml.slice(tag + 9, end))
        at = end + 3
      } else throw malformed('it has a document type')
    } else {
      if (open.length === 0 && seenRoot) throw malformed('it has more than one root')
      seenRoot = true
      const end = endOfTag(xml, tag + 1)
      const closed = xml.charCodeAt(end - 1) === slash
      const written = xml.slice(tag + 1, closed ? end - 1 : end)
      let name = names.get(written)
      if (name === undefined) {
        name = nameOf(written)
        names.set(written, name)
      }
      if (closed) {
        onElement(name, open.at(-1) ?? '', open.length + 1, '')
        isLeaf = false
      } else {
        open.push(name)
        text = ''
        isLeaf = true
      }
      at = end + 1
    }
  }
  if (open.length > 0 || !seenRoot) throw malformed('it ends too early')
}

function indexOf(xml: string, what: string, from: number): number {
  const found = xml.indexOf(what, from)
  if (found < 0) throw malformed('it ends too early')
  return found
}

/** Where an opening tag ends: attributes may hold a `>` between quotes. */
function endOfTag(xml: string, from: number): number {
  let end = indexOf(xml, '>', from)
  for (let at = from; ; ) {
    const quote = firstQuote(xml, at, end)
    if (quote < 0) return end
    at = indexOf(xml, xml.charAt(quote), quote + 1) + 1
    if (at > end) end = indexOf(xml, '>', at)
  }
}

function firstQuote(xml: string, from: number, to: number): number {
  for (let i = from; i < to; i++) {
    const unit = xml.charCodeAt(i)
    if (unit === 0x22 || unit === 0x27) return i
  }
  return -1
}

function nameOf(tag: string): string {
  const blank = tag.search(/[ \t\r\n]/)
  const name = blank < 0 ? tag : tag.slice(0, blank)
  if (name === '' || notAName.test(name)) throw malformed('a tag has no name')
  return name
}

function newlines(text: string): string {
  return text.includes('\r') ? text.replace(/\r\n?/g, '\n') : text
}

function unescaped(raw: string): string {
  let text = newlines(raw)
  if (!text.includes('&')) return text
  // Around every entity tag.
  text = text.replaceAll('&#34;', '"').replaceAll('&quot;', '"')
  if (!text.includes('&')) return text
  return text.replace(/&([^;&]*);?/g, (whole, name: string) => {
    const known = Object.hasOwn(entities, name) ? entities[name] : characterOf(name)
    if (known === undefined || !whole.endsWith(';')) throw malformed('it has an entity that XML does not know')
    return known
  })
}

function characterOf(name: string): string | undefined {
  const match = /^#(?:x([0-9a-fA-F]{1,6})|([0-9]{1,7}))$/.exec(name)
  if (match === null) return undefined
  const code = match[1] === undefined ? Number(match[2]) : Number.parseInt(match[1], 16)
  const isCharacter = code > 0 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff)
  return isCharacter ? String.fromCodePoint(code) : undefined
}
