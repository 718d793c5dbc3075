import { StowageError } from '@stowage/core'
import type { Called } from './calls.ts'

/**
 * Limits that S3 (https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html) and OSS
 * (https://www.alibabacloud.com/help/en/oss/user-guide/object-tagging-8) have in common. Lengths in Unicode characters.
 */
const mostTags = 10
const longestName = 128
const longestValue = 256

/** Which tags a store takes. */
export interface TagRules {
  readonly allowed: RegExp
  /** The same in words. */
  readonly said: string
  /** What names must not begin with, in lower case. */
  readonly reserved?: string
}

/** The characters that AWS takes in tags of every service. */
export const s3TagRules: TagRules = {
  allowed: /^[\p{L}\p{N}\p{Z}_.:/=+\-@]*$/u,
  said: 'letters, digits, spaces and _ . : / = + - @',
  reserved: 'aws:',
}

/** The characters that OSS names. */
export const ossTagRules: TagRules = {
  allowed: /^[a-zA-Z0-9 +\-=._:/]*$/,
  said: 'the letters a to z, digits, spaces and + - = . _ : /',
}

/**
 * Tags as a header such as `x-amz-tagging` carries them: a query string, everything but the plainest characters encoded.
 * @throws StowageError `invalid-request` for tags that the store does not take, before a byte is sent
 */
export function encodeTags(adapter: Called, tags: Record<string, string>, rules: TagRules): string {
  const entries = Object.entries(tags)
  if (entries.length > mostTags) throw wrong(adapter, 'tags', `has ${entries.length} tags; ${mostTags} are the most`)
  return entries
    .map(([name, value]) => {
      assertTag(adapter, name, value, rules)
      return `${encode(name)}=${encode(value)}`
    })
    .join('&')
}

function assertTag(adapter: Called, name: string, value: string, { allowed, said, reserved }: TagRules): void {
  const field = `tags.${name}`
  if (name === '') throw wrong(adapter, 'tags', 'has a tag without a name')
  if ([...name].length > longestName) throw wrong(adapter, 'tags', `has a name of more than ${longestName} characters`)
  if (reserved !== undefined && name.toLowerCase().startsWith(reserved)) {
    throw wrong(adapter, field, `begins with "${reserved}", which is reserved`)
  }
  if (!allowed.test(name)) throw wrong(adapter, field, `has a name with other characters than ${said}`)
  if ([...value].length > longestValue) throw wrong(adapter, field, `has more than ${longestValue} characters`)
  if (!allowed.test(value)) throw wrong(adapter, field, `has other characters than ${said}`)
}

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
