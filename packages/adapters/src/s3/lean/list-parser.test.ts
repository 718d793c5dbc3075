import { runs, testSeed } from '@stowage/test-support'
import fc from 'fast-check'
import { XMLParser } from 'fast-xml-parser'
import { describe, expect, it } from 'vitest'
import { parsePage } from './list-parser.ts'

interface Model {
  url: boolean
  rows: { key: string; size: number; etag: string; time: number; storageClass: string | undefined }[]
  prefixes: string[]
  token: string | undefined
}

/** Text that XML 1.0 can carry, and keys that look like markup. */
const plain = fc
  .oneof(
    fc.string({ unit: 'grapheme', minLength: 1 }),
    fc.constantFrom(
      '<Key>',
      ']]>',
      '&amp;',
      '&#x41;',
      'a\'b"c',
      ' a ',
      'a\nb',
      'a\rb',
      '<!-- -->',
      'a+b%20c',
      '</Contents>',
      '😀',
      '\ufeff',
    ),
  )
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those that XML cannot carry
  .filter((text) => text.isWellFormed() && !/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/.test(text))

const model: fc.Arbitrary<Model> = fc.record({
  url: fc.boolean(),
  rows: fc.array(
    fc.record({
      key: plain,
      size: fc.nat({ max: 2 ** 40 }),
      etag: fc.stringMatching(/^[0-9a-f]{32}(-[1-9])?$/),
      time: fc.nat({ max: 4_000_000_000_000 }),
      storageClass: fc.option(fc.constantFrom('STANDARD', 'GLACIER'), { nil: undefined }),
    }),
    { maxLength: 5 },
  ),
  prefixes: fc.array(plain, { maxLength: 3 }),
  token: fc.option(plain, { nil: undefined }),
})

const named: Record<string, string> = { '&': 'amp', '<': 'lt', '>': 'gt', '"': 'quot', "'": 'apos' }

/** Writes a text in one of the ways that XML allows, by the throw of a die. */
function written(text: string, die: () => number): string {
  if (die() === 0 && !text.includes(']]>') && !text.includes('\r')) return `<![CDATA[${text}]]>`
  return [...text]
    .map((char) => {
      const way = die()
      const code = char.codePointAt(0) ?? 0
      if (way === 1) return `&#${code};`
      if (way === 2 || char === '\r') return `&#x${code.toString(16)};`
      return Object.hasOwn(named, char) ? `&${named[char]};` : char
    })
    .join('')
}

function page({ url, rows, prefixes, token }: Model, die: () => number): string {
  const listed = (key: string): string => (url ? encodeURIComponent(key).replaceAll('%20', '+') : key)
  const element = (name: string, text: string): string => {
    const [attribute, blank] = [die() === 3 ? ' a="x>y" b=\'"\'' : '', die() === 4 ? '\n  ' : '']
    return `${blank}<${name}${attribute}>${written(text, die)}</${name}${blank}>`
  }
  const extra = (): string =>
    ['<Owner><ID>1</ID><Key>not this</Key></Owner>', '<!-- <Key>no</Key> -->', '<Empty/>', '<?pi <Key>?>', ''][
      die() % 5
    ] ?? ''
  const parts = [
    ...rows.map(
      (row) =>
        `<Contents>${extra()}${element('Key', listed(row.key))}${element('Size', String(row.size))}${extra()}${element('ETag', `"${row.etag}"`)}` +
        `${element('LastModified', new Date(row.time).toISOString())}${row.storageClass === undefined ? '' : element('StorageClass', row.storageClass)}</Contents>`,
    ),
    ...prefixes.map((prefix) => `<CommonPrefixes>${element('Prefix', listed(prefix))}</CommonPrefixes>`),
    token === undefined ? '' : element('NextContinuationToken', token),
    element('IsTruncated', String(token !== undefined)),
    element('KeyCount', String(rows.length + prefixes.length)),
    url ? element('EncodingType', 'url') : '',
    extra(),
  ]
  return `${die() === 5 ? '\ufeff' : ''}<?xml version="1.0"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${parts.join('')}</ListBucketResult>\n`
}

const dice = fc.array(fc.nat({ max: 9 }), { minLength: 20, maxLength: 60 }).map((throws) => {
  let at = 0
  return (): number => throws[at++ % throws.length] ?? 9
})

const bytes = (text: string): Buffer => Buffer.from(text, 'utf8')

describe('a page of a listing', () => {
  it('is read as it was meant, however it is written', () => {
    fc.assert(
      fc.property(model, dice, (meant, die) => {
        expect(parsePage(bytes(page(meant, die)))).toEqual({
          objects: meant.rows.map(({ key, size, etag, time, storageClass }) => ({
            key,
            size,
            etag,
            lastModified: time,
            ...(storageClass === undefined ? {} : { storageClass }),
          })),
          prefixes: meant.prefixes,
          isTruncated: meant.token !== undefined,
          keyCount: meant.rows.length + meant.prefixes.length,
          nextToken: meant.token,
        })
      }),
      { numRuns: runs(300, 20_000), seed: testSeed() },
    )
  })

  it('is read as a full XML parser reads it', () => {
    const parser = new XMLParser({
      trimValues: false,
      parseTagValue: false,
      htmlEntities: true,
      isArray: (name) => name === 'Contents' || name === 'CommonPrefixes',
    })
    fc.assert(
      fc.property(model, dice, (meant, die) => {
        const xml = page({ ...meant, url: true }, die).replace(/^\ufeff/, '')
        const { ListBucketResult: full } = parser.parse(xml) as {
          ListBucketResult: { Contents?: { Key: string; Size: string }[]; CommonPrefixes?: { Prefix: string }[] }
        }
        const decode = (text: string): string => decodeURIComponent(text.replaceAll('+', ' '))
        const { objects, prefixes } = parsePage(bytes(xml))
        expect(objects.map(({ key, size }) => [key, size])).toEqual(
          (full.Contents ?? []).map((row) => [decode(row.Key), Number(row.Size)]),
        )
        expect(prefixes).toEqual((full.CommonPrefixes ?? []).map((row) => decode(row.Prefix)))
      }),
      { numRuns: runs(200, 10_000), seed: testSeed() },
    )
  })

  it('is refused when its end is missing, wherever it was cut', () => {
    fc.assert(
      fc.property(model, dice, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (meant, die, where) => {
        const whole = bytes(page(meant, die).trimEnd())
        expect(() => parsePage(whole.subarray(0, Math.floor(where * whole.length)))).toThrow()
      }),
      { numRuns: runs(300, 20_000), seed: testSeed() },
    )
  })

  const around = (inner: string): string =>
    `<ListBucketResult><IsTruncated>false</IsTruncated>${inner}</ListBucketResult>`
  const row = (inner: string): string => around(`<Contents>${inner}<Size>1</Size></Contents>`)

  it.each([
    ['another document', '<Other/>'],
    ['two documents', '<ListBucketResult/><ListBucketResult/>'],
    ['text behind the end', `${around('')}x`],
    ['a document type', `<!DOCTYPE a [<!ENTITY b "c">]>${around('')}`],
    ['tags that do not match', around('<a><b></a></b>')],
    ['an entity that XML does not know', row('<Key>&nbsp;</Key>')],
    ['an entity without an end', row('<Key>a&ampb</Key>')],
    ['a character that does not exist', row('<Key>&#xd800;</Key>')],
    ['a row without a key', row('')],
    ['a row with two keys', row('<Key>a</Key><Key>b</Key>')],
    ['a row with no size', around('<Contents><Key>a</Key></Contents>')],
    ['a size that is none', around('<Contents><Key>a</Key><Size>1e3</Size></Contents>')],
    ['a size beyond what can be counted', around('<Contents><Key>a</Key><Size>99999999999999999</Size></Contents>')],
    ['a time that is none', row('<Key>a</Key><LastModified>soon</LastModified>')],
    ['a folder without a name', around('<CommonPrefixes></CommonPrefixes>')],
    ['two words on whether more follows', around('<IsTruncated>true</IsTruncated>')],
    ['another word than true or false', '<ListBucketResult><IsTruncated>yes</IsTruncated></ListBucketResult>'],
    [
      'a key that is not encoded as was said',
      row('<Key>%zz</Key>').replace('<Is', '<EncodingType>url</EncodingType><Is'),
    ],
  ])('is refused: %s', (_name, xml) => {
    expect(() => parsePage(bytes(xml))).toThrow(expect.objectContaining({ name: 'MalformedAnswer' }))
  })

  it('is refused when it is not UTF-8', () => {
    expect(() => parsePage(Buffer.from(row('<Key>\u00e9</Key>'), 'latin1'))).toThrow('UTF-8')
  })
})
