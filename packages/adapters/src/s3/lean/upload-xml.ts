import type { CompleteRequest } from '../data-path.ts'
import { malformed } from '../errors.ts'
import { readXml } from './xml.ts'

/** The body that completes an upload: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html */
export function completeXml(parts: CompleteRequest['parts']): string {
  const rows = parts.map((part) => {
    const fields = Object.entries(part).map(([name, value]) => `<${name}>${escaped(String(value))}</${name}>`)
    return `<Part>${fields.join('')}</Part>`
  })
  return `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${rows.join('')}</CompleteMultipartUpload>`
}

/** The id that a store gives an upload. @throws Error for another answer */
export function readUploadId(bytes: Buffer): string {
  let id = ''
  readXml(bytes.toString('utf8'), (name, parent, depth, text) => {
    if (depth === 2 && parent === 'InitiateMultipartUploadResult' && name === 'UploadId') id = text
  })
  if (id === '') throw malformed('it has no id of an upload')
  return id
}

/**
 * What became of a completion that was answered with 200. The entity tag may be missing.
 * @returns `failed` when the answer tells an error
 * @throws Error for another answer, or not all of one
 */
export function readCompleted(bytes: Buffer): { etag: string | undefined } | 'failed' {
  if (bytes.length === 0) return { etag: undefined }
  let etag: string | undefined
  let root = ''
  readXml(bytes.toString('utf8'), (name, parent, depth, text) => {
    if (depth === 1) root = name
    else if (depth === 2 && parent === 'CompleteMultipartUploadResult' && name === 'ETag') etag = text
  })
  if (root === 'Error') return 'failed'
  if (root !== 'CompleteMultipartUploadResult') throw malformed('the answer is no completion')
  return { etag }
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
