import { testKey, testSecret } from '@stowage/test-support'
import { expect, it } from 'vitest'
import { KnownSecrets } from './known-secrets.ts'

const secretKey = testSecret('key')
const sessionToken = testSecret('token')
const source = { id: 'lan', type: 'minio' as const, accessKey: 'AKIDEXAMPLE', secretKey, sessionToken }
const url = `https://minio.lan/b/k?X-Amz-Credential=AKIDEXAMPLE%2F20261125&X-Amz-Security-Token=${sessionToken}&X-Amz-Signature=abc`

it('takes everything that is secret out of what others worded', () => {
  const [old, young] = [testKey('old').toString('base64'), testKey('young').toString('hex')]
  const password = `${testSecret('pass')}@/`
  const known = KnownSecrets.of({
    sources: [source, { id: 'm', type: 'memory', presign: { baseUrl: 'https://x', secret: testSecret('presign') } }],
    catalog: { type: 'postgres', url: `postgres://ada:${encodeURIComponent(password)}@db/x` },
    vault: { key: `2:${young},1:${old}` },
  })
  const secrets = [secretKey, sessionToken, testSecret('presign'), password, encodeURIComponent(password), old, young]
  for (const secret of secrets) expect(known.redactor.text(`it said ${secret}.`)).toBe('it said [secret].')
  expect(known.redactor.text(url)).not.toContain('abc')
})

it('takes keys and passwords out of results, and leaves signed URLs as they are', () => {
  const known = KnownSecrets.of({ sources: [source] })
  expect(known.results.text(url)).toBe(url)
  const encoded = Buffer.from(`AKIDEXAMPLE:${secretKey}`).toString('base64')
  for (const text of [secretKey, encodeURIComponent(secretKey), Buffer.from(secretKey).toString('hex')]) {
    expect(known.results.text(`${url} ${text}`)).toBe(`${url} [secret]`)
  }
  expect(known.results.text(encoded)).toContain('[secret]')
})

it.each([
  ['is the access key too', { accessKey: 'minioadmin1', secretKey: 'minioadmin1' }],
  ['stands in the access key', { accessKey: 'team-key-12345', secretKey: 'key-12345' }],
  ['is short', { accessKey: 'a', secretKey: 's3cret' }],
  ['is a word', { accessKey: 'a', secretKey: 'password' }],
])('leaves results whole when the secret %s', (_, credentials) => {
  const known = new KnownSecrets()
  known.addCredentials(credentials)
  const text = `https://h/${credentials.secretKey}.txt?X-Amz-Credential=${credentials.accessKey}`
  expect(known.results.text(text)).toBe(text)
  expect(known.redactor.text(`x ${credentials.secretKey} y`)).toBe('x [secret] y')
})

it('knows at once what is added', () => {
  const known = new KnownSecrets()
  expect(known.results.text(secretKey)).toBe(secretKey)
  known.addCredentials(source)
  expect(known.results.text(secretKey)).toBe('[secret]')
  known.addMasterKeys(`# since May\nv2:${testKey('file').toString('base64')}\n`)
  expect(known.results.text(testKey('file').toString('base64'))).toBe('[secret]')
})
