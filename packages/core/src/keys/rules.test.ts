import { describe, expect, test } from 'vitest'
import { checkKey, type KeyRules, portablePathRules, s3KeyRules } from './rules.ts'

const strict: KeyRules = {
  maxBytes: 20,
  maxSegmentBytes: 6,
  maxDepth: 2,
  leadingSlash: false,
  trailingSlash: false,
  emptySegments: false,
  dotSegments: false,
  controlCharacters: 'none',
  objectAndFolder: false,
  reserved: '.own/',
}

describe('every store', () => {
  test.for([
    ['', /empty/],
    ['a\ud800', /Unicode/],
    ['\udc00a', /Unicode/],
    ['a\0b', /NUL/],
    ['k'.repeat(1025), /1025 bytes/],
    ['é'.repeat(513), /1026 bytes/],
  ] as const)('refuses %j', ([key, reason]) => {
    expect(checkKey(key, s3KeyRules)).toMatch(reason)
  })
})

test('S3 takes nearly everything', () => {
  for (const key of [
    'a',
    '/',
    '//',
    '/a',
    'a/',
    'a//b',
    '.',
    '../a',
    'a\nb',
    '\u0001',
    '😀',
    'k'.repeat(1024),
    'a/'.repeat(512),
  ]) {
    expect(checkKey(key, s3KeyRules), JSON.stringify(key)).toBeUndefined()
  }
})

describe('strict rules', () => {
  test.for([
    ['123456/123456/123456x', /21 bytes/],
    ['a/1234567', /longer than 6 bytes/],
    ['ééé', undefined],
    ['éééé', /longer than 6 bytes/],
    ['a/b/c', undefined],
    ['a/b/c/d', /3 levels deep/],
    ['/a', /begins with "\/"/],
    ['a/', /ends in "\/"/],
    ['a//b', /empty part/],
    ['./a', /part that is "\."/],
    ['a/..', /part that is "\.\."/],
    ['a/...', undefined],
    ['a/.b', undefined],
    ['a\nb', /line break/],
    ['a\rb', /line break/],
    ['a\tb', /control/],
    ['a\u007f', /control/],
    ['a\u0080b', undefined],
    ['.own/x', /keeps for itself/],
    ['.own', /keeps for itself/],
    ['.owner', undefined],
    ['a/.own/', /ends in/],
    ['a/.own', undefined],
  ] as const)('%j', ([key, reason]) => {
    if (reason === undefined) expect(checkKey(key, strict)).toBeUndefined()
    else expect(checkKey(key, strict)).toMatch(reason)
  })
})

test('slashes at the edges are no empty parts where edges may have them', () => {
  const edges = { ...strict, leadingSlash: true, trailingSlash: true }
  expect(checkKey('/a/', edges)).toBeUndefined()
  expect(checkKey('/', edges)).toBeUndefined()
  expect(checkKey('//a', edges)).toMatch(/empty part/)
  expect(checkKey('a//', edges)).toMatch(/empty part/)
})

test('a leading backslash is taken unless the rules refuse it', () => {
  expect(checkKey('\\a', strict)).toBeUndefined()
  expect(checkKey('\\a', { ...strict, leadingBackslash: false })).toMatch(/begins with "\\"/)
  expect(checkKey('a\\b', { ...strict, leadingBackslash: false })).toBeUndefined()
})

test('control characters may be taken without line breaks', () => {
  const rules: KeyRules = { ...strict, controlCharacters: 'no-line-breaks' }
  expect(checkKey('a\tb', rules)).toBeUndefined()
  expect(checkKey('a\nb', rules)).toMatch(/line break/)
})

test('a tab and U+007F may be the only control characters', () => {
  const rules: KeyRules = { ...strict, controlCharacters: 'tab-and-delete' }
  for (const key of ['a\tb', 'a\u007fb']) expect(checkKey(key, rules), JSON.stringify(key)).toBeUndefined()
  for (const key of ['a\u0001', 'a\u0008', 'a\u000b', 'a\u000c', 'a\u000e', 'a\u001f']) {
    expect(checkKey(key, rules), JSON.stringify(key)).toMatch(/control/)
  }
  for (const key of ['a\nb', 'a\rb']) expect(checkKey(key, rules), JSON.stringify(key)).toMatch(/line break/)
})

test('uploads in parts may be more particular about a slash at the end', () => {
  const rules: KeyRules = { ...strict, trailingSlash: true, trailingSlashInParts: false }
  expect(checkKey('a/', rules)).toBeUndefined()
  expect(checkKey('a/', rules, true)).toMatch(/one piece/)
  expect(checkKey('a', rules, true)).toBeUndefined()
  expect(checkKey('a/', { ...strict, trailingSlash: true }, true)).toBeUndefined()
})

test("a part does not end in the store's own mark of folders", () => {
  const rules: KeyRules = { ...s3KeyRules, folderMark: '__XLDIR__' }
  for (const key of ['__XLDIR__', 'a__XLDIR__', 'a__XLDIR__/', 'a__XLDIR__/b', 'a/__XLDIR__', 'a/b__XLDIR__/c']) {
    expect(checkKey(key, rules), key).toMatch(/ends in "__XLDIR__"/)
  }
  for (const key of ['__XLDIR__a', '__xldir__', 'x__XLDIR__y']) expect(checkKey(key, rules), key).toBeUndefined()
})

test('a part before a slash at the end has room for the mark of folders', () => {
  const rules: KeyRules = { ...s3KeyRules, maxSegmentBytes: 20, folderMark: '__XLDIR__' }
  for (const key of ['x'.repeat(20), `${'x'.repeat(11)}/`, `${'x'.repeat(20)}/${'x'.repeat(11)}/`]) {
    expect(checkKey(key, rules), key).toBeUndefined()
  }
  expect(checkKey(`a/${'x'.repeat(12)}/`, rules)).toMatch(/longer than 11 bytes/)
  expect(checkKey(`${'x'.repeat(20)}/`, { ...s3KeyRules, maxSegmentBytes: 20 })).toBeUndefined()
})

test('loose dots are those between slashes, backslashes and blanks', () => {
  const rules: KeyRules = { ...strict, looseDots: true }
  for (const key of ['.\\a', 'a\\..', ' ./a', 'a/. ', '\u0085./a', '\u00a0..', '\u3000../x', '..\u2028']) {
    expect(checkKey(key, rules), JSON.stringify(key)).toMatch(/"\."/)
  }
  for (const key of ['...', '..a', '.. a', '\ufeff..'])
    expect(checkKey(key, rules), JSON.stringify(key)).toBeUndefined()
})

test('a portable path has room for the prefix of a replica', () => {
  expect(checkKey(`${'d'.repeat(250)}/${'d'.repeat(250)}/${'d'.repeat(250)}`, portablePathRules)).toBeUndefined()
  expect(checkKey(Array.from({ length: 201 }, () => 'abc').join('/'), portablePathRules)).toMatch(/bytes|levels/)
  for (const path of ['/a', 'a/', 'a//b', '../a', 'a\nb', 'a\\..', 'a__XLDIR__'])
    expect(checkKey(path, portablePathRules)).toBeDefined()
})
