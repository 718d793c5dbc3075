import { runs } from '@stowage/test-support'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { StowageError } from '../errors/index.ts'
import { type EndpointPolicy, isLoopbackHost, judgeEndpoint } from './index.ts'

const everything: EndpointPolicy = { allowPlainHttp: true, allowPrivateNetwork: true, allowLoopback: true }

function refusal(text: string, policy?: EndpointPolicy): StowageError {
  try {
    judgeEndpoint(text, policy)
  } catch (error) {
    if (!StowageError.isInstance(error)) throw error
    expect(error).toMatchObject({ code: 'configuration', field: 'endpoint' })
    expect(error.message).not.toContain('hunter2')
    expect(error.message).not.toContain('\n')
    return error
  }
  return expect.fail(`${text} was taken`)
}

test.each([
  ['https://oss-cn-hangzhou.aliyuncs.com', 'oss-cn-hangzhou.aliyuncs.com', 443],
  ['https://minio.example:9000/', 'minio.example', 9000],
  ['HTTPS://S3.Example', 's3.example', 443],
  ['https://8.8.8.8:8443', '8.8.8.8', 8443],
  ['https://[2606:4700::1111]:9000', '2606:4700::1111', 9000],
  ['https://[2606:4700:0:0:0:0:0:1111]', '2606:4700::1111', 443],
  ['https://xn--bcher-kva.example', 'xn--bcher-kva.example', 443],
  ['https://under_score.example', 'under_score.example', 443],
  ['https://minio', 'minio', 443],
  ['https://gateway.example/s3', 'gateway.example', 443],
])('takes %s', (text, host, port) => {
  expect(judgeEndpoint(text)).toMatchObject({ host, port, secure: true })
})

test.each([
  'minio.example:9000',
  'minio.example',
  '//minio.example',
  '/x',
  '',
  'https:',
  'https://',
  'https:minio.example',
  'https:///minio.example',
  'ftp://host',
  'file:///etc/passwd',
  'javascript:1',
  'https://user:hunter2@host',
  'https://hunter2@host',
  'https://@host',
  'https://host@',
  'https://host:9000@evil.example',
  'https://host/?hunter2=1',
  'https://host#x',
  'https://host?',
  'https://ho st',
  ' https://host',
  'https://host\n',
  'https://ho\tst',
  'https://host\\@evil.example',
  'https:\\\\host',
  'https://host:0',
  'https://host:65536',
  'https://%6c%6fcalhost',
  'https://host%00.example',
  'https://-a.example',
  'https://a..b',
  'https://a.example.',
  'https://localhost.',
  'https://127.0.0.1.',
  'https://[::1',
  'https://[fe80::1%25eth0]',
  `https://${'a'.repeat(64)}.example`,
  `https://${'a.'.repeat(130)}example`,
])('refuses %j whatever is allowed', (text) => {
  refusal(text, everything)
})

describe('one address in many notations', () => {
  test.each([
    'http://2130706433',
    'http://0x7f000001',
    'http://0x7f.0.0.1',
    'http://017700000001',
    'http://0177.0.0.1',
    'http://127.1',
    'http://127.0.1',
    'http://127.0.0.01',
    'http://0x7F.1',
    'http://000177.0.0.1',
    'http://127.0.0.1.',
  ])('%s is refused, with the usual one', (text) => {
    expect(refusal(text, everything).hint).toContain('127.0.0.1')
  })

  test.each([
    'http://１２７.0.0.1',
    'http://①②⑦.0.0.1',
    'http://127。0。0。1',
    'http://ⓛocalhost',
    'http://bücher.example',
    'http://раypal.example',
    'http://a\u00adb.example',
  ])('%s is refused, with its form in ASCII', (text) => {
    const { hint } = refusal(text, everything)
    expect(hint).toMatch(/^Write the host as [a-z0-9.-]+\.$/)
  })

  test('whatever is taken is one host to the parser of the platform, too', () => {
    const host = fc.oneof(
      fc.domain(),
      fc.ipV4(),
      fc.ipV6().map((ip) => `[${ip}]`),
      fc.stringMatching(/^[a-f0-9x.:%[\]@-]{1,20}$/),
      fc.webAuthority({ withIPv4Extended: true, withIPv6: true, withUserInfo: true }),
    )
    fc.assert(
      fc.property(
        fc.constantFrom('http', 'https'),
        host,
        fc.constantFrom('', ':9000', '/', '/x', ' ', '?'),
        (scheme, name, end) => {
          const text = `${scheme}://${name}${end}`
          let taken: ReturnType<typeof judgeEndpoint>
          try {
            taken = judgeEndpoint(text, everything)
          } catch (error) {
            expect(StowageError.isInstance(error)).toBe(true)
            return
          }
          expect(new URL(text).hostname.replace(/^\[|\]$/g, '')).toBe(taken.host)
          expect(taken.url.username + taken.url.password + taken.url.search + taken.url.hash).toBe('')
          expect(judgeEndpoint(taken.url.href, everything).host).toBe(taken.host)
        },
      ),
      { numRuns: runs(1_000, 50_000) },
    )
  })
})

describe('where it leads', () => {
  test.each([
    'http://169.254.169.254/latest/meta-data',
    'https://169.254.169.254',
    'http://100.100.100.200',
    'http://[fd00:ec2::254]',
    'http://[::ffff:169.254.169.254]',
    'http://[::ffff:a9fe:a9fe]',
    'http://[fe80::1]',
    'http://0.0.0.0:9000',
    'http://[::]',
    'http://metadata.google.internal',
    'http://METADATA.google.internal',
    'http://instance-data',
  ])('%s is refused whatever is allowed', (text) => {
    refusal(text, everything)
  })

  test('this machine and private networks are refused unless they are allowed', () => {
    for (const host of ['127.0.0.1', 'localhost', 'a.localhost', '[::1]', 'LOCALHOST', '[::ffff:127.0.0.1]']) {
      refusal(`https://${host}:9000`, { allowPrivateNetwork: true, allowPlainHttp: true })
      judgeEndpoint(`https://${host}:9000`, { allowLoopback: true })
    }
    for (const host of ['10.1.2.3', '192.168.0.9', '[fd12::1]']) {
      expect(refusal(`https://${host}`, { allowLoopback: true }).hint).toContain('allowPrivateNetwork')
      judgeEndpoint(`https://${host}`, { allowPrivateNetwork: true })
    }
  })

  test('plain HTTP goes to this machine, and elsewhere only where it is allowed', () => {
    for (const host of ['127.0.0.1', 'localhost', '[::1]', '127.9.9.9']) {
      expect(judgeEndpoint(`http://${host}:9000`, { allowLoopback: true }).secure).toBe(false)
    }
    for (const host of ['minio.example', '127.0.0.1.evil.example', 'localhost.evil.example', '8.8.8.8']) {
      expect(refusal(`http://${host}`, { allowLoopback: true }).hint).toContain('allowPlainHttp')
      judgeEndpoint(`http://${host}`, { allowPlainHttp: true })
    }
    expect(refusal('http://10.0.0.1', { allowPrivateNetwork: true }).hint).toContain('allowPlainHttp')
  })

  test('what is this machine', () => {
    for (const host of ['localhost', 'x.LOCALHOST', '127.0.0.1', '::1', '::ffff:127.0.0.1'])
      expect(isLoopbackHost(host)).toBe(true)
    for (const host of ['localhost.example', 'notlocalhost', '128.0.0.1', '::2', ''])
      expect(isLoopbackHost(host)).toBe(false)
  })
})
