import { readFileSync } from 'node:fs'
import { StowageError } from '@stowage/core'
import type { RedisOptions } from 'bullmq'

/** A Redis, or what speaks its protocol. */
export interface RedisLocation {
  /** `redis://user:password@host:6379/0`, or `rediss://…` for TLS with a certificate that is checked. */
  redis: string
  tls?: {
    /** Path of a PEM file with the certificates to trust in place of the system's. */
    ca?: string
  }
}

/**
 * The address of a Redis as its client takes it.
 * @throws StowageError `configuration`, without the password
 */
export function connectionOf({ redis, tls }: RedisLocation): RedisOptions {
  if (!URL.canParse(redis)) throw wrong('is no URL')
  const { protocol, hostname, port, username, password, pathname } = new URL(redis)
  if (protocol !== 'redis:' && protocol !== 'rediss:') throw wrong('must begin with redis:// or rediss://')
  if (hostname === '') throw wrong('names no host')
  const db = pathname.slice(1)
  if (!/^\d{0,4}$/.test(db)) throw wrong('ends with the number of a database, such as /0, or with nothing')
  const secure = protocol === 'rediss:'
  if (!secure && tls !== undefined) throw wrong('must begin with rediss:// when there is "tls"')
  return {
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? 6379 : Number(port),
    ...(username === '' ? {} : { username: decodeURIComponent(username) }),
    ...(password === '' ? {} : { password: decodeURIComponent(password) }),
    ...(db === '' ? {} : { db: Number(db) }),
    ...(secure ? { tls: { ...certificates(tls?.ca) } } : {}),
  }
}

function certificates(path: string | undefined): { ca?: string } {
  if (path === undefined) return {}
  try {
    return { ca: readFileSync(path, 'utf8') }
  } catch (cause) {
    throw new StowageError('configuration', `The certificates in "${path}" cannot be read.`, {
      cause,
      field: 'queue.tls.ca',
    })
  }
}

function wrong(what: string): StowageError {
  return new StowageError('configuration', `The address of Redis ${what}.`, {
    field: 'queue.redis',
    hint: 'Write redis://user:password@host:6379/0, or rediss:// for TLS.',
  })
}
