import { expectCode } from '@stowage/core/testing'
import { runs, testSeed } from '@stowage/test-support'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { childrenOf, childText, escapeXml, parseXml } from './xml.ts'

const options = { numRuns: runs(300, 10_000), seed: testSeed() }
// Without what XML 1.0 cannot hold, and without CR, which its line ends swallow.
const texts = fc
  .string({ unit: 'binary' })
  .filter((text) => !/[^\t\n\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u.test(text))

function documentOf(keys: readonly string[]): string {
  const rows = keys.map((key) => `<Contents>\n  <Key>${escapeXml(key)}</Key><Size>1</Size></Contents>`)
  return `<?xml version="1.0" encoding="UTF-8"?>\n<List xmlns="urn:x">${rows.join('')}<Empty/><IsTruncated>false</IsTruncated></List>`
}

describe('parseXml', () => {
  it('gives back any text that was written', () => {
    fc.assert(
      fc.property(fc.array(texts, { maxLength: 5 }), (keys) => {
        const root = parseXml(documentOf(keys))
        expect(childrenOf(root, 'Contents').map((row) => childText(row, 'Key'))).toEqual(keys)
        expect(childText(root, 'IsTruncated')).toBe('false')
        expect(childText(root, 'Empty')).toBe('')
        expect(childText(root, 'None')).toBeUndefined()
      }),
      options,
    )
  })

  it('takes no answer that was cut short for a short one', async () => {
    const whole = documentOf(['a', 'b&c'])
    for (let end = 0; end < whole.length; end++) {
      await expectCode((async () => parseXml(whole.slice(0, end)))(), 'unavailable')
    }
  })

  it('reads references, CDATA, comments and attributes', () => {
    const root = parseXml(`<a b="c>d"><!-- <x> --><k>&#65;&#x1F600;&lt;<![CDATA[<&>]]></k></a>`)
    expect(root.children.length).toBe(1)
    expect(childText(root, 'k')).toBe('A\u{1f600}<<&>')
  })

  it.each(['', 'text', '<a></b>', '<a/><b/>', '<a>&nbsp;</a>', '<a>&#x110000;</a>', '<a>&</a>', '</a>', '<a>x</a>y'])(
    'refuses %j',
    async (document) => {
      await expectCode((async () => parseXml(document))(), 'unavailable')
    },
  )
})
