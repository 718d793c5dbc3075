import { resolveLocalhost, startOssDouble } from '@stowage/test-support'
import { afterAll, expect, it } from 'vitest'
import { oss } from './index.ts'
import { leastPolicy } from './policy.ts'

resolveLocalhost()
const double = await startOssDouble()
afterAll(() => double.stop())

const all = { list: true, get: true, put: true, delete: true, multipart: true, abort: true, tags: true }

const at = (bucket: string, changes = {}) => {
  const { accessKey, secretKey, region, endpoint } = double
  return oss({ id: 'cloud', endpoint, region, bucket, accessKey, secretKey, ...changes })
}

async function notWell(adapter: ReturnType<typeof oss>): Promise<string[] | undefined> {
  const diagnosis = await adapter.diagnose?.()
  await adapter.close()
  return diagnosis?.findings
    .filter(({ severity }) => severity !== 'ok')
    .map(({ severity, code }) => `${severity} ${code}`)
}

it('tries every right, and tells what is not set', async () => {
  const adapter = at(double.createBucket())
  const diagnosis = await adapter.diagnose?.()
  expect(diagnosis?.permissions).toEqual(all)
  expect(diagnosis?.policy).toMatchObject({ Version: '1' })
  const codes = diagnosis?.findings.map(({ severity, code }) => `${severity} ${code}`)
  expect(codes).toEqual(expect.arrayContaining(['ok bucket', 'ok clock-skew', 'ok versioning']))
  expect(await notWell(adapter)).toEqual(['warning lifecycle', 'warning cors'])
})

it('finds a bucket well in which everything is set', async () => {
  const name = double.createBucket()
  const bucket = double.bucket(name)
  bucket.versioning = 'Enabled'
  expect(await notWell(at(name, { versioned: true }))).toContain('warning versioning')
  bucket.lifecycle =
    '<Rule><ID>a</ID><Prefix></Prefix><Status>Enabled</Status><AbortMultipartUpload><Days>3</Days></AbortMultipartUpload>' +
    '<NoncurrentVersionExpiration><NoncurrentDays>3</NoncurrentDays></NoncurrentVersionExpiration></Rule>'
  bucket.cors = '<CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>PUT</AllowedMethod></CORSRule>'
  expect(await notWell(at(name, { versioned: true }))).toEqual(['warning cors'])
  bucket.cors =
    '<CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>PUT</AllowedMethod><AllowedMethod>GET</AllowedMethod>' +
    '<ExposeHeader>ETag</ExposeHeader></CORSRule>'
  expect(await notWell(at(name, { versioned: true }))).toEqual([])
})

it('tells which rights are missing', async () => {
  const name = double.createBucket()
  double.inject({
    times: 100,
    match: ({ method, key }) => key === '.stowage-probe/doctor' && method !== 'GET',
    fault: { error: 'AccessDenied' },
  })
  const adapter = at(name)
  const diagnosis = await adapter.diagnose?.()
  expect(diagnosis?.permissions).toMatchObject({ list: true, get: true, put: false, delete: false, multipart: false })
  await adapter.close()
})

it('tells a bucket that is missing, and names the bucket in the policy', async () => {
  expect(await notWell(at('stowage-that-is-not-there'))).toEqual(['error bucket'])
  expect(JSON.stringify(leastPolicy('data'))).toContain('acs:oss:*:*:data/*')
})
