import { StowageError } from '@stowage/core'
import { expect, test } from 'vitest'
import { parseNumbers, parseObject, parseTexts } from './json.ts'

test('reads what was written', () => {
  expect(parseTexts('["a","猫"]', 'x.tags')).toEqual(['a', '猫'])
  expect(parseNumbers('[1,2]', 'x.parents')).toEqual([1, 2])
  expect(parseObject('{"a":[1,{"b":null}]}', 'x.options')).toEqual({ a: [1, { b: null }] })
})

test.for(['', 'null', '{}', '[1]', '["a"', '["a",null]'])('refuses %j and names the column', (json) => {
  expect(() => parseTexts(json, 'x.tags')).toThrow(StowageError)
  expect(() => parseTexts(json, 'x.tags')).toThrow(/x\.tags/)
})

test.for(['', 'null', '[]', '"a"', '{"a":1'])('%j is no object', (json) => {
  expect(() => parseObject(json, 'x.options')).toThrow(/x\.options/)
})
