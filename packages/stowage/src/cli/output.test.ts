import { testSecret } from '@stowage/test-support'
import { expect, it } from 'vitest'
import { KnownSecrets } from '../config/index.ts'
import { type Io, Output, type OutputOptions } from './output.ts'

const credentials = {
  accessKey: 'AKIDEXAMPLE',
  secretKey: testSecret('of a source'),
  sessionToken: testSecret('token'),
}
const url = `https://minio.lan/b/k?X-Amz-Credential=AKIDEXAMPLE&X-Amz-Security-Token=${credentials.sessionToken}&X-Amz-Signature=abc`

function output(options: OutputOptions = {}): { output: Output; stdout: () => string; stderr: () => string } {
  const written = { stdout: '', stderr: '' }
  const io: Io = {
    stdout: { write: (text) => (written.stdout += text) },
    stderr: { write: (text) => (written.stderr += text) },
    cwd: '/',
    env: {},
    signal: new AbortController().signal,
    readStdin: async () => '',
  }
  const known = new KnownSecrets()
  known.addCredentials(credentials)
  const made = new Output(io, options)
  made.redactor = () => known.redactor
  made.resultRedactor = () => known.results
  return { output: made, stdout: () => written.stdout, stderr: () => written.stderr }
}

it('prints a signed URL that was asked for, session token and all', () => {
  const [json, plain] = [output({ json: true }), output()]
  json.output.result({ alternatives: [{ url }] }, '')
  plain.output.result({}, `lan\t${url}`)
  expect(JSON.parse(json.stdout())).toEqual({ alternatives: [{ url }] })
  expect(plain.stdout()).toBe(`lan\t${url}\n`)
})

it('prints no secret key in a result, wherever it stands and however it is written', () => {
  const { secretKey } = credentials
  const value = {
    when: new Date(0),
    errors: [{ message: `refused ${secretKey}`, sizes: [1, null, true] }],
    [secretKey]: { header: Buffer.from(`AKIDEXAMPLE:${secretKey}`).toString('base64') },
  }
  const [json, plain] = [output({ json: true }), output()]
  json.output.result(value, '')
  plain.output.result(value, `refused ${encodeURIComponent(secretKey)}`)
  expect(JSON.parse(json.stdout())).toEqual({
    when: '1970-01-01T00:00:00.000Z',
    errors: [{ message: 'refused [secret]', sizes: [1, null, true] }],
    '[secret]': { header: expect.stringContaining('[secret]') },
  })
  expect(plain.stdout()).toBe('refused [secret]\n')
})

it('prints neither in errors and notes', () => {
  for (const json of [false, true]) {
    const said = output({ json, verbose: true })
    const cause = new Error(`sent ${credentials.secretKey}`)
    said.output.error(new Error(`GET ${url}: ${credentials.secretKey}`, { cause }))
    said.output.note(`GET ${url}`)
    const all = said.stdout() + said.stderr()
    for (const secret of Object.values(credentials).slice(1)) expect(all).not.toContain(secret)
    expect(all).not.toContain('abc')
    expect(all).toContain('GET https://minio.lan/b/k')
  }
})

it('prints results of any size whole', () => {
  const { output: made, stdout } = output({ json: true })
  const rows = Array.from({ length: 20_000 }, (_, i) => ({ path: `${i}.jpg`, size: i }))
  made.result(rows, '')
  expect(JSON.parse(stdout())).toEqual(rows)
})
