import { StowageError } from '@stowage/core'
import type { Called } from '../shared/index.ts'

/** Limits of S3: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html. Lengths in Unicode characters. */
const mostTags = 10
const longestName = 128
const longestValue = 256
/** The characters that AWS takes in tags of every service. */
const allowed = /^[\p{L}\p{N}\p{Z}_.:/=+\-@]*$/u

/**
 * Tags as the header `x-amz-tagging` carries them: a query string, everything but the plainest characters encoded.
 * @throws StowageError `invalid-request` for tags that S3 does not take, before a byte is sent
 */
export function encodeTags(adapter: Called, tags: Record<string, string>): string {
  const entries = Object.entries(tags)
  if (entries.length > mostTags) throw wrong(adapter, 'tags', `has ${entries.length} tags; ${mostTags} are the most`)
  return entries
    .map(([name, value]) => {
      assertTag(adapter, name, value)
      return `${encode(name)}=${encode(value)}`
    })
    .join('&')
}

function assertTag(adapter: Called, name: string, value: string): void {
  const field = `tags.${name}`
  if (name === '') throw wrong(adapter, 'tags', 'has a tag without a name')
  if ([...name].length > longestName) throw wrong(adapter, 'tags', `has a name of more than ${longestName} characters`)
  if (/^aws:/i.test(name)) throw wrong(adapter, field, 'begins with "aws:", which is reserved')
  if (!allowed.test(name)) throw wrong(adapter, field, `has a name with other characters than ${charactersSaid}`)
  if ([...value].length > longestValue) throw wrong(adapter, field, `has more than ${longestValue} characters`)
  if (!allowed.test(value)) throw wrong(adapter, field, `has other characters than ${charactersSaid}`)
}

const charactersSaid = 'letters, digits, spaces and _ . : / = + - @'

function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
}

function wrong(adapter: Called, field: string, why: string): StowageError {
  return new StowageError('invalid-request', `${adapter.id}: ${field} ${why}.`, {
    field,
    sourceId: adapter.id,
    hint: 'Keep what does not fit in the metadata.',
  })
}
