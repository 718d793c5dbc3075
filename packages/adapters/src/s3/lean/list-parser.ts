import { isUtf8 } from 'node:buffer'
import type { ListedObject } from '@stowage/core'
import { type PageReply, unquote } from '../../shared/index.ts'
import { malformed } from '../errors.ts'
import { decodeListed } from '../headers.ts'
import { readXml } from './xml.ts'

/** Elements of an answer to ListObjectsV2 that may come once: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html */
const single = new Set(['IsTruncated', 'KeyCount', 'NextContinuationToken', 'EncodingType'])
const rowFields = new Set(['Key', 'Size', 'ETag', 'LastModified', 'StorageClass'])

/**
 * Reads a page of a listing (ListObjectsV2). Elements it does not know are passed over; everything it knows must be as it should, since a
 * row that is left out or read wrongly looks like an object that is gone.
 *
 * @throws Error for what is no such page, or not all of one
 */
export function parsePage(bytes: Buffer): PageReply {
  if (!isUtf8(bytes)) throw malformed('the listing is not UTF-8')
  const rows: Row[] = []
  const prefixes: string[] = []
  const fields = new Map<string, string>()
  let row: Row = {}
  let prefix: string | undefined
  readXml(bytes.toString('utf8'), (name, parent, depth, text) => {
    if (depth === 3) {
      if (parent === 'Contents') {
        if (!rowFields.has(name)) return
        const field = name as keyof Row
        if (row[field] !== undefined) throw malformed(`a row has more than one ${name}`)
        row[field] = text
      } else if (parent === 'CommonPrefixes' && name === 'Prefix') {
        if (prefix !== undefined) throw malformed('a folder has more than one name')
        prefix = text
      }
    } else if (depth === 2) {
      if (name === 'Contents') {
        rows.push(row)
        row = {}
      } else if (name === 'CommonPrefixes') {
        if (prefix === undefined) throw malformed('a folder has no name')
        prefixes.push(prefix)
        prefix = undefined
      } else if (single.has(name)) {
        if (fields.has(name)) throw malformed(`it has more than one ${name}`)
        fields.set(name, text)
      }
    } else if (depth === 1 && name !== 'ListBucketResult') throw malformed('the answer is no listing')
  })
  // Only now is it known how keys are written.
  const encoding = fields.get('EncodingType')
  const decode = encoding === 'url' ? decodeListed : (text: string): string => text
  return {
    objects: rows.map((one) => objectOf(one, decode)),
    prefixes: prefixes.map(decode),
    isTruncated: booleanOf(fields.get('IsTruncated')),
    keyCount: fields.has('KeyCount') ? wholeNumber(fields.get('KeyCount')) : undefined,
    nextToken: fields.get('NextContinuationToken'),
  }
}

interface Row {
  Key?: string
  Size?: string
  ETag?: string
  LastModified?: string
  StorageClass?: string
}

function objectOf(row: Row, decode: (text: string) => string): ListedObject {
  if (row.Key === undefined || row.Key === '') throw malformed('a row has no key')
  const object: ListedObject = {
    key: decode(row.Key),
    size: wholeNumber(row.Size),
    etag: unquote(row.ETag),
    lastModified: timeOf(row.LastModified),
  }
  if (row.StorageClass !== undefined && row.StorageClass !== '') object.storageClass = row.StorageClass
  return object
}

function wholeNumber(text: string | undefined): number {
  const number = Number(text)
  if (text === undefined || !/^\s*\d+\s*$/.test(text) || !Number.isSafeInteger(number)) {
    throw malformed('a number is missing or none')
  }
  return number
}

function booleanOf(text: string | undefined): boolean | undefined {
  const word = text?.trim()
  if (word === undefined) return undefined
  if (word === 'true') return true
  if (word === 'false') return false
  throw malformed('it does not say whether more follows')
}

function timeOf(text: string | undefined): number {
  if (text === undefined) return 0
  const time = Date.parse(text.trim())
  if (Number.isNaN(time)) throw malformed('a time is none')
  return time
}
