/** A base64 fragment shorter than this may be found by chance. */
const MIN_FRAGMENT = 8

/** Characters that base64 and base64url share, and what stands for the others. */
function base64Forms(text: string): string[] {
  const bytes = Buffer.from(text, 'utf8')
  const forms = [bytes.toString('base64').replace(/=+$/, '')]
  // Within a longer text the secret may begin at the second or third byte of a group; the characters at both ends then also hold
  // neighbours' bits and are left out.
  for (const before of [0, 1, 2]) {
    const shifted = Buffer.concat([Buffer.alloc(before), bytes])
    const begin = Math.ceil((before * 8) / 6)
    const end = Math.floor((shifted.length * 8) / 6)
    const fragment = shifted.toString('base64').slice(begin, end)
    if (fragment.length >= MIN_FRAGMENT) forms.push(fragment)
  }
  return forms.flatMap((form) => [form, form.replaceAll('+', '-').replaceAll('/', '_')])
}

/** The ways one character may be written: as it is, in a URL, in a form, in JSON (also within JSON), in XML. */
function characterForms(character: string): string {
  const forms = new Set([escapeRegExp(character)])
  const percent = [...Buffer.from(character, 'utf8')].map((byte) => byte.toString(16).padStart(2, '0'))
  forms.add(percent.map((hex) => `%(?:25){0,2}${anyCase(hex)}`).join(''))
  if (character === ' ') forms.add('\\+')
  const json = JSON.stringify(character).slice(1, -1)
  if (json !== character) forms.add(`\\\\{1,3}${escapeRegExp(json.slice(1))}`)
  const units = Array.from({ length: character.length }, (_, i) => character.charCodeAt(i))
  forms.add(units.map((unit) => `\\\\{1,3}u${anyCase(unit.toString(16).padStart(4, '0'))}`).join(''))
  const entity = entities[character]
  if (entity !== undefined) forms.add(entity)
  forms.add(`&#(?:0*${character.codePointAt(0)}|[xX]0*${anyCase((character.codePointAt(0) ?? 0).toString(16))});`)
  return `(?:${[...forms].join('|')})`
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
}

function anyCase(hex: string): string {
  return hex.replace(/[a-f]/g, (digit) => `[${digit}${digit.toUpperCase()}]`)
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')
}

/** What matches a secret in a text, however it is written there. */
export function secretPattern(secrets: readonly string[]): RegExp | undefined {
  // The longest first: one secret may begin with another.
  const distinct = [...new Set(secrets)].filter((secret) => secret !== '').sort((a, b) => b.length - a.length)
  if (distinct.length === 0) return undefined
  const forms = distinct.flatMap((secret) => {
    const bytes = Buffer.from(secret, 'utf8')
    const literal = [...base64Forms(secret), bytes.toString('hex'), bytes.toString('hex').toUpperCase()]
    return [
      [...secret].map(characterForms).join(''),
      ...[...new Set(literal)].sort((a, b) => b.length - a.length).map(escapeRegExp),
    ]
  })
  return new RegExp(forms.join('|'), 'g')
}
