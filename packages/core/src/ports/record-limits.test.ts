import { expect, test } from 'vitest'
import { expectCode } from '../testing/index.ts'
import { checkRecordKey, checkRecordValue, MAX_RECORD_KEY, MAX_RECORD_VALUE } from './record-limits.ts'

test('keys', async () => {
  for (const key of ['a', '/', '..', 'a-b_c.d/0', 'k'.repeat(MAX_RECORD_KEY)])
    expect(() => checkRecordKey(key)).not.toThrow()
  for (const key of ['', 'A', 'a b', 'a\n', '\na', 'é', 'k'.repeat(MAX_RECORD_KEY + 1)]) {
    const error = await expectCode((async () => checkRecordKey(key))(), 'invalid-key')
    expect(error.message).not.toContain('\n')
    expect(error.message.length).toBeLessThan(200)
  }
})

test('values', async () => {
  expect(() => checkRecordValue('k', new Uint8Array(MAX_RECORD_VALUE))).not.toThrow()
  await expectCode((async () => checkRecordValue('k', new Uint8Array(MAX_RECORD_VALUE + 1)))(), 'invalid-request')
})
