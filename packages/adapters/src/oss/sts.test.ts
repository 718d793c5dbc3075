import { inspect } from 'node:util'
import { expectCode } from '@stowage/core/testing'
import { resolveLocalhost, startOssDouble, testSecret } from '@stowage/test-support'
import { afterAll, describe, expect, it, onTestFinished } from 'vitest'
import { readBytes, text } from '../testing/bytes.ts'
import { type OssOptions, oss } from './index.ts'

resolveLocalhost()
const offset = { ms: 0 }
const double = await startOssDouble({ now: () => Date.now() + offset.ms })
afterAll(() => double.stop())

const role = { roleArn: double.createRole(), sessionName: 'stowage-test', endpoint: double.stsEndpoint }

function start(options: Partial<OssOptions> = {}) {
  const { endpoint, region, accessKey, secretKey } = double
  const bucket = double.createBucket()
  const keys = { accessKey, secretKey }
  const clock = { now: () => Date.now() + offset.ms, sleep: async () => {} }
  const adapter = oss({ id: 'cloud', endpoint, region, bucket, ...keys, assumeRole: role, clock, ...options })
  onTestFinished(() => adapter.close())
  return adapter
}

const asked = (): number => double.seen.filter(({ host }) => host === 'sts.localhost').length

describe('the credentials of a role', () => {
  it('are asked for once by all who wait, sign everything, and are renewed before they end', async () => {
    const adapter = start({ assumeRole: { ...role, durationSeconds: 900 } })
    const before = asked()
    await Promise.all(['a', 'b', 'c'].map((key) => adapter.put(key, text(key), { ifNoneMatch: '*' })))
    expect(asked() - before).toBe(1)
    expect(double.seen.at(-1)?.headers['x-oss-security-token']).toMatch(/^CAIS/)
    const { url, expiresAt } = await adapter.presign({ method: 'get', key: 'a', expiresIn: 7200 })
    expect(expiresAt).toBeLessThanOrEqual(Date.now() + 900_000)
    expect(await (await fetch(url)).text()).toBe('a')
    const then = offset.ms
    onTestFinished(() => {
      offset.ms = then
    })
    offset.ms += 11 * 60_000
    expect((await readBytes(adapter, 'a')).toString()).toBe('a')
    expect(asked() - before).toBe(2)
  })

  it('may be narrowed by a policy', async () => {
    const policy = '{"Version":"1","Statement":[]}'
    await start({ assumeRole: { ...role, policy } }).put('a', text('x'))
    expect(double.seen.length).toBeGreaterThan(0)
  })

  it('that STS does not give are an error without secrets', async () => {
    const none = start({ assumeRole: { ...role, roleArn: 'acs:ram::1:role/none' } })
    const error = await expectCode(none.put('a', text('x')), 'access-denied')
    expect(error.message).toContain('EntityNotExist.Role')
    expect(error.hint).toContain('assumeRole')
    const wrong = start({ secretKey: testSecret('not-the-one') })
    const refused = await expectCode(wrong.put('a', text('x')), 'access-denied')
    expect(refused.message).toContain('SignatureDoesNotMatch')
    expect(inspect(refused, { depth: 9 })).not.toMatch(/not-the-secret|Signature=/)
  })

  it('are asked for again when STS fails, and its silence ends', async () => {
    const adapter = start()
    double.inject({ match: ({ key }) => key === 'sts', fault: 'reset' })
    double.inject({ match: ({ key }) => key === 'sts', fault: { error: 'ServiceUnavailable' } })
    await adapter.put('a', text('x'))
    const dead = start({ assumeRole: { ...role, endpoint: 'http://127.0.0.1:1' } })
    const error = await expectCode(dead.put('a', text('x')), 'unavailable')
    expect(error.message).toContain('127.0.0.1:1')
  })

  it.each([
    [{ assumeRole: { ...role, roleArn: 'stowage' } }, 'assumeRole.roleArn'],
    [{ assumeRole: { ...role, sessionName: 'a b' } }, 'assumeRole.sessionName'],
    [{ assumeRole: { ...role, durationSeconds: 60 } }, 'assumeRole.durationSeconds'],
    [{ assumeRole: { ...role, policy: '{' } }, 'assumeRole.policy'],
    [{ assumeRole: { ...role, endpoint: 'http://sts.example' } }, 'assumeRole.endpoint'],
    [{ sessionToken: testSecret('session') }, 'assumeRole'],
    [{ credentials: () => ({ accessKey: 'a', secretKey: testSecret('given') }) }, 'assumeRole'],
    [{ secretKey: '' }, 'secretKey'],
  ])('are not asked for with %j', (options, field) => {
    expect(() => start(options)).toThrow(expect.objectContaining({ code: 'configuration', field }))
  })
})
