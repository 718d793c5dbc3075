import { isIP } from 'node:net'
import { StowageError } from '@stowage/core'

/** The options that say where a store answers. */
export interface EndpointOptions {
  readonly id: string
  readonly endpoint?: string
  readonly allowPlainHttp?: boolean
}

/**
 * The endpoint, checked.
 * @throws StowageError `configuration` when it is no http(s) address, carries credentials or a query, or is plain HTTP to another machine
 */
export function checkedEndpoint(options: EndpointOptions, field = 'endpoint'): URL | undefined {
  if (options.endpoint === undefined) return undefined
  let url: URL
  try {
    url = new URL(options.endpoint)
  } catch {
    throw wrong(options, field, 'is not an address', 'Write it as https://host:port.')
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    throw wrong(options, field, 'must begin with https:// or http://')
  if (url.username !== '' || url.password !== '') {
    throw wrong(options, field, 'must not carry credentials', 'Give them as accessKey and secretKey.')
  }
  if (url.search !== '' || url.hash !== '') throw wrong(options, field, 'must not have a query or a fragment')
  if (url.protocol === 'http:' && !isLoopback(url.hostname) && options.allowPlainHttp !== true) {
    throw wrong(
      options,
      field,
      'is plain HTTP to another machine',
      'Use https, or set allowPlainHttp for a network you trust.',
    )
  }
  return url
}

/** True for names and addresses that never leave this machine. */
function isLoopback(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '').toLowerCase()
  if (host === 'localhost' || host.endsWith('.localhost')) return true
  if (isIP(host) === 4) return host.startsWith('127.')
  return host === '::1'
}

function wrong(options: EndpointOptions, field: string, why: string, hint?: string): StowageError {
  return new StowageError('configuration', `${options.id}: the ${field} ${why}.`, {
    sourceId: options.id,
    field,
    ...(hint === undefined ? {} : { hint }),
  })
}
