import { StowageError } from '@stowage/core'

/** An element of an answer. */
export interface XmlNode {
  readonly name: string
  readonly children: XmlNode[]
  /** Its text, entities resolved. */
  text: string
}

const token =
  /<\?[\s\S]*?\?>|<!--[\s\S]*?-->|<!\[CDATA\[([\s\S]*?)\]\]>|<\/([^\s>]+)\s*>|<([^\s/>!?]+)(?:\s+[^\s=>]+\s*=\s*(?:"[^"]*"|'[^']*'))*\s*(\/?)>|([^<]+)/y
const entity = /&(?:#(\d+)|#x([0-9a-f]+)|(amp|lt|gt|quot|apos));|&/gi
const named: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

/**
 * Reads a document as OSS writes them: elements, text, CDATA; attributes are passed over. What is not whole and well formed is refused,
 * so that an answer that was cut short is never taken for a short answer.
 * @throws StowageError `unavailable`
 */
export function parseXml(document: string): XmlNode {
  const top: XmlNode = { name: '', children: [], text: '' }
  const open: XmlNode[] = [top]
  token.lastIndex = 0
  while (token.lastIndex < document.length) {
    const match = token.exec(document)
    const parent = open.at(-1)
    if (match === null || parent === undefined) throw malformed()
    const [, cdata, closing, opening, empty, text] = match
    if (text !== undefined) parent.text += text.includes('&') ? resolve(text) : text
    else if (cdata !== undefined) parent.text += cdata
    else if (opening !== undefined) {
      const node: XmlNode = { name: opening, children: [], text: '' }
      parent.children.push(node)
      if (empty === '') open.push(node)
    } else if (closing !== undefined && (open.length === 1 || open.pop()?.name !== closing)) throw malformed()
  }
  const [root] = top.children
  if (open.length !== 1 || root === undefined || top.children.length !== 1 || top.text.trim() !== '') throw malformed()
  return root
}

/** The text of a child, or `undefined` without one. */
export function childText(node: XmlNode, name: string): string | undefined {
  return node.children.find((child) => child.name === name)?.text
}

/** All children of a name. */
export function childrenOf(node: XmlNode, name: string): XmlNode[] {
  return node.children.filter((child) => child.name === name)
}

/** Text as an element holds it. */
export function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

function resolve(text: string): string {
  return text.replace(entity, (_, decimal?: string, hexadecimal?: string, name?: string) => {
    if (name !== undefined) return named[name.toLowerCase()] ?? ''
    const code = decimal === undefined ? Number.parseInt(hexadecimal ?? '', 16) : Number(decimal)
    if (!(code <= 0x10ffff)) throw malformed()
    return String.fromCodePoint(code)
  })
}

function malformed(): StowageError {
  return new StowageError('unavailable', 'The answer of the store is no whole XML document.')
}
