import fc from 'fast-check'

/** Characters that nothing should mind. */
const plain = [...'abcXYZ019-_.', '/', '/', 'dir/', '.txt']

/** Characters and texts that URLs, XML, headers, signatures, file systems and listings have been known to change. */
const nasty = [
  ...[
    ' ',
    '  ',
    '+',
    '%',
    '%20',
    '%2F',
    '%2f',
    '%25',
    '%00',
    '%E4',
    '%zz',
    '&',
    '&amp;',
    '&#10;',
    '<',
    '>',
    ']]>',
    '<!--',
  ],
  ...['"', "'", '`', '\\', '|', '*', '?', '?versionId=1', ':', ';', ',', '=', '$', '@', '#', '!', '~', '^'],
  ...[
    '(',
    ')',
    '[',
    ']',
    '{',
    '}',
    '//',
    '.',
    '..',
    '/./',
    '/../',
    '...',
    'con',
    'null',
    '__proto__',
    '__XLDIR__',
    '=?UTF-8?B?eA==?=',
  ],
  ...['\n', '\r', '\r\n', '\t', '\0', '\u0001', '\u001b', '\u007f', '\u0085', '\u00a0', '\u2028', '\u3000', '\ufeff'],
  ...[
    '\u00e9',
    'e\u0301',
    '\u212b',
    '\u00c5',
    'A\u030a',
    '\ufb01',
    '\u00df',
    '\u0130',
    '\u017f',
    '\u212a',
    '\u200d',
    '\u202e',
  ],
  ...['文件', '데이터', '\u1100\u1161', 'ｶﾅ', 'カナ', 'اب', 'हि', '\ufffd', '\ufffe', '\uffff', '\ue000', '\uff5e'],
  ...['😀', '👨‍👩‍👧', '🇩🇪', '\u{10000}', '\u{10ffff}', '\ud800', '\udc00', '\udc00\ud800'],
]

/** Texts about as long as parts of keys, and keys, may be. */
const long = [
  'x'.repeat(254),
  'x'.repeat(256),
  '字'.repeat(85),
  '字'.repeat(86),
  `${'d/'.repeat(60)}e`,
  `${'n/'.repeat(200)}o`,
  'k'.repeat(900),
]

const anyText = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.string({ unit: fc.nat(0xffff).map((unit) => String.fromCharCode(unit)), maxLength: 4 }),
)

/** Keys, good and bad ones, made to be changed on their way. */
export const anyKey: fc.Arbitrary<string> = fc
  .array(
    fc.oneof(
      { weight: 40, arbitrary: fc.constantFrom(...plain) },
      { weight: 20, arbitrary: fc.constantFrom(...nasty) },
      { weight: 4, arbitrary: anyText },
      { weight: 1, arbitrary: fc.constantFrom(...long) },
    ),
    { maxLength: 9 },
  )
  .map((parts) => parts.join(''))

/** Values of metadata. */
export const anyValue: fc.Arbitrary<string> = fc
  .array(
    fc.oneof(
      { weight: 10, arbitrary: fc.constantFrom(...plain, ...nasty) },
      { weight: 3, arbitrary: anyText },
      { weight: 1, arbitrary: fc.constantFrom('v'.repeat(500), '字'.repeat(200), 'w'.repeat(3000), '字'.repeat(2500)) },
    ),
    { maxLength: 8 },
  )
  .map((parts) => parts.join(''))

/** Names of metadata that are allowed: tokens in lower case. */
export const anyName: fc.Arbitrary<string> = fc.oneof(
  { weight: 3, arbitrary: fc.string({ unit: fc.constantFrom(...'abz09-'), minLength: 1, maxLength: 12 }) },
  {
    weight: 1,
    arbitrary: fc.string({ unit: fc.constantFrom(...`az09-_.!#$%&'*+^\`|~`), minLength: 1, maxLength: 12 }),
  },
)
