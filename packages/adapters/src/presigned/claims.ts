import type { PresignMethod } from '@stowage/core'

/** What a presigned URL allows, all of it covered by its signature. */
export interface Claims {
  sourceId: string
  method: PresignMethod
  key: string
  /** Seconds since the epoch. */
  expires: number
  /** The content type that an upload must have. */
  contentType?: string
  /** The file name that a browser saves it under. */
  downloadName?: string
  /** Bytes of an upload, at most. */
  maxSize?: number
  /** The upload fails when the key exists. */
  createOnly?: boolean
  uploadId?: string
  partNumber?: number
}

/** Version of how claims are written and signed. */
const version = 1

/** Parameters by claim. Those of S3 are named alike where they mean the same. */
const names = {
  contentType: 'Content-Type',
  downloadName: 'Download-Name',
  maxSize: 'Max-Size',
  createOnly: 'Create-Only',
  uploadId: 'Upload-Id',
  partNumber: 'Part-Number',
} as const

/** One text for the claims, and no other claims have the same: what is signed. */
export function signedText(claims: Claims): string {
  const { sourceId, method, key, expires, contentType, downloadName, maxSize, createOnly, uploadId, partNumber } =
    claims
  const optional = [contentType, downloadName, maxSize, createOnly, uploadId, partNumber].map((value) => value ?? null)
  return JSON.stringify([version, sourceId, method, key, expires, ...optional])
}

/** Path and query of a URL with these claims. */
export function writeUrl(claims: Claims, signature: string): string {
  const query = new URLSearchParams({
    Version: String(version),
    Method: claims.method,
    Expires: String(claims.expires),
  })
  for (const [claim, name] of Object.entries(names) as [keyof typeof names, string][]) {
    const value = claims[claim]
    if (value !== undefined) query.set(name, String(value))
  }
  query.set('Signature', signature)
  return `/${[claims.sourceId, ...claims.key.split('/')].map(encodeURIComponent).join('/')}?${query}`
}

/**
 * Reads what {@link writeUrl} wrote. `undefined` for everything that it would have written in another way: two ways to write one claim would
 * be two meanings for somebody.
 * @param path what follows the base of the URLs, still encoded
 */
export function readUrl(path: string, query: URLSearchParams): { claims: Claims; signature: string } | undefined {
  const parts = path.split('/').map(decoded)
  const [empty, sourceId, ...key] = parts
  const method = query.get('Method')
  const signature = query.get('Signature')
  const isMethod = method === 'get' || method === 'put' || method === 'part'
  if (empty !== '' || !sourceId || key.length === 0 || parts.includes(undefined) || !isMethod || signature === null)
    return undefined
  const claims: Claims = { sourceId, method, key: key.join('/'), expires: Number(query.get('Expires')) }
  const [type, name, upload] = [query.get('Content-Type'), query.get('Download-Name'), query.get('Upload-Id')]
  if (type !== null) claims.contentType = type
  if (name !== null) claims.downloadName = name
  if (upload !== null) claims.uploadId = upload
  if (query.has('Max-Size')) claims.maxSize = Number(query.get('Max-Size'))
  if (query.has('Part-Number')) claims.partNumber = Number(query.get('Part-Number'))
  if (query.get('Create-Only') === 'true') claims.createOnly = true
  return writeUrl(claims, signature) === `${path}?${query}` ? { claims, signature } : undefined
}

function decoded(part: string): string | undefined {
  try {
    return decodeURIComponent(part)
  } catch {
    return undefined
  }
}
