import { inspect } from 'node:util'
import { runs } from '@stowage/test-support'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { StowageError } from '../errors/index.ts'
import { createRedactor, isSecretName, redact, Secret } from './index.ts'

const S = 'hunter2'

/** As a base64 of S3 keys looks, or anything. */
const secrets = fc.oneof(
  fc.string({ unit: 'binary', minLength: 1, maxLength: 60 }).filter((text) => text.isWellFormed()),
  fc.base64String({ minLength: 16, maxLength: 60 }),
  fc.string({ minLength: 1, maxLength: 8 }),
  fc.stringMatching(/^[\\%"'&<> +\n]{1,6}$/),
)
const around = fc.string({ unit: 'binary', maxLength: 30 })

const writtenAs: Record<string, (secret: string) => string> = {
  raw: (s) => s,
  'in a URL': encodeURIComponent,
  'twice in a URL': (s) => encodeURIComponent(encodeURIComponent(s)),
  'in a URL, strictly': (s) =>
    encodeURIComponent(s).replace(/[!'()*~]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`),
  'in a URL, in lower case': (s) => encodeURIComponent(s).replace(/%../g, (c) => c.toLowerCase()),
  'in a form': (s) => new URLSearchParams({ s }).toString().slice(2),
  'in JSON': (s) => JSON.stringify(s).slice(1, -1),
  'in JSON in JSON': (s) => JSON.stringify(JSON.stringify(s)).slice(3, -3),
  base64: (s) => Buffer.from(s).toString('base64'),
  'base64 without padding': (s) => Buffer.from(s).toString('base64').replace(/=+$/, ''),
  base64url: (s) => Buffer.from(s).toString('base64url'),
  hex: (s) => Buffer.from(s).toString('hex'),
}

describe('secrets that are known', () => {
  test.each(Object.entries(writtenAs))('do not survive, written %s', (_, write) => {
    fc.assert(
      fc.property(secrets, around, around, (secret, before, after) => {
        const written = write(secret)
        expect(redact(`${before}${written}${after}`, [secret])).not.toContain(written)
      }),
      { numRuns: runs(300, 2_000) },
    )
  })

  test('several, one within the other or overlapping, none survives', () => {
    const few = fc.string({ unit: fc.constantFrom('a', 'b', '[', ']', '*', 's'), minLength: 1, maxLength: 6 })
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '[', ']', '*', 's', '%'), maxLength: 40 })
    fc.assert(
      fc.property(fc.array(few, { minLength: 1, maxLength: 4 }), text, (list, input) => {
        const clean = redact(input, list)
        for (const secret of list) expect(clean).not.toContain(secret)
      }),
      { numRuns: runs(2_000, 10_000) },
    )
  })

  test('do not survive within base64 of a longer text', () => {
    const long = fc.string({ unit: 'binary-ascii', minLength: 12, maxLength: 60 })
    fc.assert(
      fc.property(long, fc.uint8Array({ maxLength: 9 }), fc.uint8Array({ maxLength: 9 }), (secret, before, after) => {
        const bytes = Buffer.concat([before, Buffer.from(secret), after])
        for (const encoding of ['base64', 'base64url'] as const) {
          const clean = redact(bytes.toString(encoding), [secret])
          expect(Buffer.from(clean.replaceAll('[secret]', '\n'), encoding).includes(secret)).toBe(false)
          expect(clean).not.toBe(bytes.toString(encoding))
        }
      }),
      { numRuns: runs(300, 2_000) },
    )
  })

  test('do not survive anywhere in a value', () => {
    const secret = fc.base64String({ minLength: 12, maxLength: 40 })
    fc.assert(
      fc.property(secret, fc.object({ maxDepth: 3, withBigInt: true, withMap: true, withSet: true }), (s, value) => {
        const error = new StowageError('unavailable', `GET https://h/?k=${encodeURIComponent(s)}`, {
          cause: new Error(s, { cause: { [s]: Buffer.from(s).toString('base64') } }),
          hint: s,
        })
        const clean = redact({ value, plant: [s, { s }, new Map([[s, new Set([s])]])], error }, [s])
        for (const shown of [inspect(clean, { depth: null, showHidden: true }), JSON.stringify(clean.error)]) {
          for (const write of Object.values(writtenAs)) expect(shown).not.toContain(write(s))
        }
      }),
      { numRuns: runs(200, 1_000) },
    )
  })

  test('an empty one is passed over, and a text without any stays as it is', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z0-9 .]*$/), (text) => {
        expect(redact(text, ['', new Secret('Not In It')])).toBe(text)
      }),
    )
  })

  test('a session token of some kilobytes is no trouble', () => {
    const token = Array.from({ length: 2_000 }, (_, i) => 'Ab+/9%'[i % 6]).join('')
    expect(createRedactor([token]).text(`x ${encodeURIComponent(token)} y`)).toBe('x [secret] y')
  })
})

test('without forms, the given secrets go and signed URLs stay', () => {
  const known = createRedactor([S], { forms: false })
  const url = 'https://h/k?X-Amz-Security-Token=token&X-Amz-Signature=abc'
  expect(known.text(`${url} ${S} ${encodeURIComponent(S)} ${Buffer.from(S).toString('hex')}`)).toBe(
    `${url} [secret] [secret] [secret]`,
  )
  const headers = { authorization: 'Bearer token', list: ['x-amz-security-token', 'token'] }
  expect(known.value({ url, headers, secretKey: S })).toEqual({ url, headers, secretKey: '[secret]' })
})

describe('what has the form of a secret', () => {
  test.each([
    ['https://ada:hunter2@host/x', 'https://[secret]@host/x'],
    ['redis://:p@hunter2@host:6379', 'redis://[secret]@host:6379'],
    ['GET /a?X-Amz-Signature=hunter2&X-Amz-Date=1', 'GET /a?X-Amz-Signature=[secret]&X-Amz-Date=1'],
    ['/a?x=1&x-oss-signature=hunter2', '/a?x=1&x-oss-signature=[secret]'],
    ['/a?x-oss-signature-version=OSS4-HMAC-SHA256', '/a?x-oss-signature-version=OSS4-HMAC-SHA256'],
    ['/a?OSSAccessKeyId=AK&Signature=hunter2%3D&Expires=1', '/a?OSSAccessKeyId=AK&Signature=[secret]&Expires=1'],
    ['/a?security-token=hunter2#x', '/a?security-token=[secret]#x'],
    ['/a?X-Amz-Security-Token=hunter2', '/a?X-Amz-Security-Token=[secret]'],
    ['u=%2Fa%3FX-Amz-Signature%3Dhunter2%26b%3D1', 'u=%2Fa%3FX-Amz-Signature%3D[secret]%26b%3D1'],
    ['<a href="/?a=1&amp;Signature=hunter2&amp;b=2">', '<a href="/?a=1&amp;Signature=[secret]&amp;b=2">'],
    ['"/?a=1\\u0026Signature=hunter2"', '"/?a=1\\u0026Signature=[secret]"'],
    ['Authorization: Bearer hunter2\r\nHost: h', 'Authorization: [secret]\r\nHost: h'],
    ['authorization: Digest a="hunter2", b="hunter2"', 'authorization: [secret]'],
    ['{"authorization":"AWS4-HMAC-SHA256 hunter2","b":1}', '{"authorization":"[secret]","b":1}'],
    ["[ 'authorization', 'Bearer hunter2' ]", "[ 'authorization', '[secret]' ]"],
    ['sent OSS AKID:hunter2hunter2=', 'sent OSS [secret]'],
    ['{"secretKey":"hunt\\"er2","b":1}', '{"secretKey":"[secret]","b":1}'],
    ['"{\\"secretKey\\":\\"hunter2\\",\\"b\\":1}"', '"{\\"secretKey\\":\\"[secret]\\",\\"b\\":1}"'],
    ['{"a":1,"secretKey":"hunter2 and the line was cut', '{"a":1,"secretKey":"[secret]'],
    ['password=hunter2 next', 'password=[secret] next'],
    ['-----BEGIN RSA PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY-----', '[secret]'],
    ['The signature did not match for a@b.example.', 'The signature did not match for a@b.example.'],
    ['http://host:9000/a@b', 'http://host:9000/a@b'],
  ])('%s', (text, clean) => {
    expect(redact(text)).toBe(clean)
    expect(redact(clean)).toBe(clean)
  })

  test('is found without being slow, also in texts made for that', () => {
    for (const part of [
      '://a',
      'token=',
      '"token":"',
      "cookie:'",
      'Signature=%',
      '\\',
      '-----BEGIN PRIVATE KEY-----',
      'a-',
    ]) {
      expect(redact(part.repeat(50_000)).length).toBeLessThan(1_000_000)
    }
  })

  test.each([
    'secretKey',
    'accessKey',
    'accessKeySecret',
    'SECRET_ACCESS_KEY',
    'sessionToken',
    'x-amz-security-token',
    'Authorization',
    'masterKey',
    'db_password',
    'Cookie',
  ])('a field called %s is hidden', (name) => {
    expect(isSecretName(name)).toBe(true)
    expect(inspect(redact({ [name]: S, list: [name, S] }))).not.toContain(S)
    expect(inspect(redact(new Map([[name, S]])))).not.toContain(S)
    expect(inspect(redact(new Headers([['Authorization', S]])))).not.toContain(S)
  })

  test.each(['key', 'accessKeyId', 'bucket', 'etag', 'hasCredentials', 'signatureVersion'])(
    'a field called %s is not',
    (name) => {
      expect(isSecretName(name)).toBe(false)
      expect(redact({ [name]: S })).toEqual({ [name]: S })
    },
  )
})

describe('values', () => {
  test('keep their shape, and the original stays as it was', () => {
    const cycle: Record<string, unknown> = {
      n: 1,
      list: [1, S, null, undefined],
      when: new Date(5),
      secretKey: S,
      none: null,
    }
    cycle['self'] = cycle
    const clean = redact(cycle, [S])
    expect(clean).toMatchObject({
      n: 1,
      list: [1, '[secret]', null, undefined],
      when: new Date(5),
      secretKey: '[secret]',
      none: null,
    })
    expect(clean['self']).toBe(clean)
    expect(cycle['secretKey']).toBe(S)
  })

  test('a Secret and bytes are never shown', () => {
    const shown = redact({ a: new Secret(S), b: Buffer.from(S), c: () => S, d: Symbol(S), e: 12345678n }, [
      S,
      '12345678',
    ])
    expect(shown).toEqual({ a: '[secret]', b: '[7 bytes]', c: '[function]', d: 'Symbol([secret])', e: '[secret]' })
  })

  test('an error stays one, with its code', () => {
    const error = new StowageError('throttled', `slow down, ${S}`, { cause: new TypeError(S), retryAfterMs: 5 })
    const clean = redact(error, [S])
    expect(StowageError.isInstance(clean)).toBe(true)
    expect(clean).toBeInstanceOf(StowageError)
    expect(clean).toMatchObject({ code: 'throttled', retryable: true, retryAfterMs: 5, message: 'slow down, [secret]' })
    expect(clean.cause).toBeInstanceOf(TypeError)
    expect(inspect(clean)).not.toContain(S)
    expect(clean.stack).toContain('redact.test')
    expect(error.message).toContain(S)
  })

  test('getters that throw, deep and large values do not stop it', () => {
    const broken = Object.defineProperty({}, 'x', {
      enumerable: true,
      get: () => {
        throw new Error(S)
      },
    })
    expect(redact(broken)).toEqual({ x: '[unreadable]' })
    let deep: unknown = S
    for (let i = 0; i < 100_000; i++) deep = { deep }
    expect(inspect(redact(deep, [S]), { depth: null })).toContain('[more]')
    const wide = redact(Array.from({ length: 20_000 }, () => ({ S })))
    expect(wide[19_999]).toBe('[more]')
  })
})

test('a Secret shows itself only when it is asked to', () => {
  const secret = new Secret(S)
  expect(secret.reveal()).toBe(S)
  const shown = [
    String(secret),
    `${secret}`,
    ['', secret].join(''),
    JSON.stringify({ secret }),
    inspect(secret, { showHidden: true }),
  ]
  expect(shown).toEqual(['[secret]', '[secret]', '[secret]', '{"secret":"[secret]"}', '[secret]'])
  expect(inspect(new Error('x', { cause: { secret } }))).not.toContain(S)
  expect(JSON.stringify(structuredClone({ secret }))).not.toContain(S)
  expect(Object.keys(secret)).toEqual([])
})
