import { expect, test } from 'vitest'
import { ancestorsOf, prefixesOverlap, toPrefix } from './prefix.ts'

test('a prefix names a folder', () => {
  expect(['', 'raw', 'raw/', 'a/b', '/'].map(toPrefix)).toEqual(['', 'raw/', 'raw/', 'a/b/', '/'])
})

test.for([
  ['', '', true],
  ['', 'a/', true],
  ['a/', 'a/', true],
  ['a/', 'a/b/', true],
  ['zzz/', 'zzz-precious/', false],
  ['a/b/', 'a/c/', false],
] as const)('%j and %j overlap: %s', ([a, b, overlap]) => {
  expect(prefixesOverlap(a, b)).toBe(overlap)
  expect(prefixesOverlap(b, a)).toBe(overlap)
})

test('ancestors, outermost first', () => {
  expect(ancestorsOf('')).toEqual([''])
  expect(ancestorsOf('a/')).toEqual(['', 'a/'])
  expect(ancestorsOf('a/b/c/')).toEqual(['', 'a/', 'a/b/', 'a/b/c/'])
})
