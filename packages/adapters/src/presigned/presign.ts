import type { Clock, PresignedRequest, PresignOptions } from '@stowage/core'
import { StowageError } from '@stowage/core'
import { assertPresign, type Called } from '../shared/index.ts'
import { type Claims, writeUrl } from './claims.ts'
import { type PresignSettings, UrlSigner } from './signer.ts'

/** Makes the `presign` of an adapter. @throws StowageError `configuration` when the settings are wrong */
export function presigner(
  adapter: Called,
  settings: PresignSettings,
  clock: Clock,
): (options: PresignOptions) => PresignedRequest {
  const signer = new UrlSigner(settings.secret, adapter.id)
  const base = checkedBase(adapter, settings.baseUrl)
  return (options) => {
    assertPresign(adapter, options)
    assertAddressable(adapter, options.key)
    const { method, key, expiresIn, contentType, downloadName, maxSize, uploadId, partNumber } = options
    const now = clock.now()
    const expires = Math.ceil(now / 1000) + expiresIn
    const claims: Claims = { sourceId: adapter.id, method, key, expires }
    if (method === 'get' && downloadName !== undefined) claims.downloadName = downloadName
    if (method !== 'get' && maxSize !== undefined) claims.maxSize = maxSize
    if (method === 'put' && contentType !== undefined) claims.contentType = contentType
    if (method === 'put') claims.createOnly = true
    if (method === 'part' && uploadId !== undefined && partNumber !== undefined)
      Object.assign(claims, { uploadId, partNumber })
    return {
      url: base + writeUrl(claims, signer.sign(claims)),
      method: method === 'get' ? 'GET' : 'PUT',
      headers: claims.contentType === undefined ? {} : { 'content-type': claims.contentType },
      expiresAt: expires * 1000,
    }
  }
}

/** Refuses keys that every URL library would fold. @throws StowageError `invalid-key` */
function assertAddressable(adapter: Called, key: string): void {
  if (!key.split('/').some((part) => part === '.' || part === '..')) return
  throw new StowageError('invalid-key', `${adapter.id}: ${JSON.stringify(key)} cannot stand in a URL.`, {
    key,
    sourceId: adapter.id,
    hint: 'Rename the object: dot segments are folded on the way.',
  })
}

function checkedBase(adapter: Called, baseUrl: string): string {
  const url = URL.canParse(baseUrl) ? new URL(baseUrl) : undefined
  const isPlain =
    url !== undefined && /^https?:$/.test(url.protocol) && url.search === '' && url.hash === '' && url.username === ''
  if (isPlain) return `${url.origin}${url.pathname.replace(/\/+$/, '')}`
  throw new StowageError(
    'configuration',
    `${adapter.id}: presign.baseUrl must be an http or https URL without a query.`,
    {
      field: 'presign.baseUrl',
      sourceId: adapter.id,
    },
  )
}
