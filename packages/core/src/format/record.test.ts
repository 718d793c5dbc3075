import { expect, it } from 'vitest'
import type { ErrorCode } from '../errors/index.ts'
import { expectCode } from '../testing/index.ts'
import { checkRecordFormat, decodeRecord, encodeRecord, parseFormatted } from './index.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1')

const refused = (work: () => unknown, code: ErrorCode) => expectCode(Promise.resolve().then(work), code)

it('reads what was written', () => {
  expect(decodeRecord('a/b', encodeRecord({ at: 7 }))).toEqual({ format: 1, at: 7 })
  expect(decodeRecord('a/b', encodeRecord({ at: 7 }, 2), 2)).toEqual({ format: 2, at: 7 })
})

it('refuses a record of a newer version, and names it', async () => {
  const error = await refused(() => decodeRecord('a/b', encodeRecord({}, 2)), 'newer-format')
  expect(error).toMatchObject({ key: 'a/b', message: 'The record "a/b" has format 2; this version knows 1.' })
  await refused(() => checkRecordFormat('a/b', 2), 'newer-format')
})

it.each(['', '{', 'null', '7', '[]', '{"at":7}', '{"format":"1"}', '{"format":0}', '{"format":1,"at":"\xff"}'])(
  'is not led astray by %j',
  async (text) => {
    const error = await refused(() => decodeRecord('a/b', bytes(text)), 'integrity')
    expect(error).toMatchObject({ key: 'a/b', retryable: false })
    await refused(() => parseFormatted(bytes(text), 1, 'The marker'), 'integrity')
  },
)
