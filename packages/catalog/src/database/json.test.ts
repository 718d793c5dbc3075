import { StowageError } from '@stowage/core'
import { expect, test } from 'vitest'
import { parseNumbers, parseTexts } from './json.ts'

test('reads what was written', () => {
  expect(parseTexts('["a","猫"]', 'x.tags')).toEqual(['a', '猫'])
  expect(parseNumbers('[1,2]', 'x.parents')).toEqual([1, 2])
})

test.for(['', 'null', '{}', '[1]', '["a"', '["a",null]'])('refuses %j and names the column', (json) => {
  expect(() => parseTexts(json, 'x.tags')).toThrow(StowageError)
  expect(() => parseTexts(json, 'x.tags')).toThrow(/x\.tags/)
})
