import { OssError } from './errors.ts'

/** What an element holds: text, elements, or several elements of the same name. */
type XmlValue = string | number | boolean | undefined | XmlElements | readonly XmlElements[]
export interface XmlElements {
  readonly [name: string]: XmlValue
}

/** Writes a document; what is `undefined` is left out. */
export function writeXml(root: string, elements: XmlElements): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n${element(root, elements)}`
}

function element(name: string, value: XmlValue): string {
  if (value === undefined) return ''
  if (Array.isArray(value)) return value.map((one: XmlElements) => element(name, one)).join('')
  const inner =
    typeof value === 'object'
      ? Object.entries(value as XmlElements)
          .map(([child, childValue]) => element(child, childValue))
          .join('')
      : escapeText(String(value))
  return `<${name}>${inner}</${name}>`
}

function escapeText(text: string): string {
  const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' }
  return text.replace(/[&<>]/g, (char) => entities[char] as string).replace(/\r/g, '&#13;')
}

/** The contents of every `<name>` of a document, not yet unescaped. */
export function elementsOf(xml: string, name: string): string[] {
  return [...xml.matchAll(new RegExp(`<${name}(?:\\s[^>]*)?>(.*?)</${name}>`, 'gs'))].map((match) => match[1] as string)
}

/** The text of the first `<name>`. */
export function textOf(xml: string, name: string): string | undefined {
  const [found] = elementsOf(xml, name)
  return found === undefined ? undefined : plainText(found)
}

const named: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

function plainText(text: string): string {
  return text.replace(/&(#x?[0-9a-f]+|\w+);/gi, (all, entity: string) => {
    if (!entity.startsWith('#')) return named[entity] ?? all
    const code = entity[1] === 'x' ? Number.parseInt(entity.slice(2), 16) : Number(entity.slice(1))
    return String.fromCodePoint(code)
  })
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const unfit = /[\u0000-\u0008\u000b\u000c\u000e-\u001f]|&#(x0*(1?[0-8bcef]|1[0-9a-f])|0*([0-8]|1[124-9]|2\d|3[01]));/i

/** Refuses what is no XML 1.0: control characters, written out or as references. @throws OssError `MalformedXML` */
export function assertXml(xml: string): void {
  if (unfit.test(xml) || !xml.trimStart().startsWith('<')) {
    throw new OssError('MalformedXML', 'The XML you provided was not well-formed or did not validate.')
  }
}
