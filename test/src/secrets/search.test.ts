import { inspect } from 'node:util'
import { expect, it } from 'vitest'
import { runMarker, testKey, testSecret } from './marker.ts'
import { findSecret, findSecretIn, maskSecrets, StreamSearch } from './search.ts'

const secret = testSecret('of this test')
const bytes = Buffer.from(secret)
const twice = (text: string): string => JSON.stringify(JSON.stringify(text))
const every = (text: string, write: (hex: string) => string): string =>
  [...text].map((character) => write(character.charCodeAt(0).toString(16).padStart(2, '0'))).join('')

it.each([
  ['as it is', secret, 'plain'],
  ['in capitals', secret.toUpperCase(), 'plain'],
  ['in colours', secret.replace(/(.)/g, '\u001b[31m$1\u001b[39m'), 'plain'],
  ['in a URL', encodeURIComponent(secret), 'plain'],
  ['in a URL, every character', every(secret, (hex) => `%${hex}`), 'plain'],
  ['in a URL in a URL', every(secret, (hex) => `%25${hex.toUpperCase()}`), 'plain'],
  ['in JSON in JSON', twice(secret), 'plain'],
  ['in JSON, every character', every(secret, (hex) => `\\u00${hex}`), 'plain'],
  ['in JSON in JSON, every character', every(secret, (hex) => `\\\\u00${hex}`), 'plain'],
  ['in XML, every character', every(secret, (hex) => `&#x${hex};`), 'plain'],
  ['in base64', bytes.toString('base64'), 'base64'],
  ['in base64, one byte later', Buffer.from(`\xff${secret}`, 'latin1').toString('base64'), 'base64'],
  ['in base64, two bytes later', Buffer.from(`:\xff${secret}`, 'latin1').toString('base64url'), 'base64'],
  ['as a header of Basic', Buffer.from(`user:${secret}`).toString('base64'), 'base64'],
  ['in hexadecimal', bytes.toString('hex'), 'hex'],
  ['in hexadecimal, in capitals', bytes.toString('hex').toUpperCase(), 'hex'],
  ['as a shown buffer', inspect(bytes), 'hex'],
  ['as shown bytes', inspect(new Uint8Array(bytes)), 'decimal'],
  ['as bytes in JSON', JSON.stringify(bytes, null, 2), 'decimal'],
  ['in a master key of base64', testKey('of this test').toString('base64'), 'base64'],
  ['in a master key of hexadecimal', testKey('of this test').toString('hex'), 'hex'],
])('finds and masks a secret %s', (_, written, form) => {
  const text = `before ${written} after`
  expect(findSecret(text)).toBe(form)
  if (!written.includes('\u001b')) expect(findSecret(maskSecrets(text))).toBeUndefined()
})

it('finds a secret deep in a value, in what is not enumerable, and in a cause', () => {
  const hidden = Object.defineProperty({}, 'key', { value: secret })
  expect(findSecretIn({ a: [{ b: new Map([['c', hidden]]) }] })).toBe('plain')
  expect(findSecretIn(new Error('outer', { cause: new Error('inner', { cause: { headers: [secret] } }) }))).toBe(
    'plain',
  )
  expect(findSecretIn({ bytes })).toBe('hex')
})

it('finds nothing where there is none', () => {
  const other = inspect({
    text: 'x'.repeat(1000),
    bytes: Buffer.alloc(100, 7),
    marker: [...runMarker()].reverse().join(''),
  })
  expect(findSecret(other)).toBeUndefined()
  expect(maskSecrets(other)).toBe(other)
})

it('finds what is spread over chunks, and tells of it once', () => {
  const text = Buffer.from(`${'ü'.repeat(1000)}${every(secret, (hex) => `%${hex}`)}${'ü'.repeat(1000)}`)
  for (const size of [1, 3, 100]) {
    const search = new StreamSearch()
    const found: unknown[] = []
    for (let at = 0; at < text.length; at += size) found.push(search.next(text.subarray(at, at + size)))
    expect(found.filter((form) => form !== undefined)).toEqual(['plain'])
  }
})

it('makes secrets that stores take, the same for the same name', () => {
  expect(testSecret('a')).toBe(testSecret('a'))
  expect(testSecret('a')).not.toBe(testSecret('b'))
  expect(testSecret('x'.repeat(27)).length).toBe(40)
  expect(() => testSecret('x'.repeat(28))).toThrow('1 characters too long')
  expect(testKey('a').length).toBe(32)
  expect(testKey('a')).not.toEqual(testKey('b'))
})
