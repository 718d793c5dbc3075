import { resolveLocalhost, startOssDouble } from '@stowage/test-support'
import { afterAll, expect, it } from 'vitest'
import { oss } from './index.ts'

resolveLocalhost()
const double = await startOssDouble()
afterAll(() => double.stop())

const at = (changes = {}) => {
  const { accessKey, secretKey, region, endpoint } = double
  return oss({ id: 'cloud', endpoint, region, bucket: double.createBucket(), accessKey, secretKey, ...changes })
}

it('reads the canary, writes and deletes', async () => {
  const adapter = at()
  const first = await adapter.probe()
  expect(first).toMatchObject({ ok: true, writable: true, checks: [{ note: 'the canary was written' }, {}, {}] })
  expect((await adapter.probe()).checks.map(({ name, ok, note }) => [name, ok, note])).toEqual([
    ['read', true, undefined],
    ['write', true, undefined],
    ['delete', true, undefined],
  ])
  for await (const page of adapter.list()) expect(page.objects).toEqual([])
  await expect(adapter.head('.stowage-probe/canary-1')).rejects.toMatchObject({ code: 'invalid-key' })
  await adapter.close()
})

it('tells what kind of failure it met', async () => {
  const failures = [
    [at({ secretKey: `${double.secretKey}-not` }), 'credentials'],
    [at({ bucket: 'stowage-that-is-not-there' }), 'missing'],
    [at({ endpoint: 'http://oss-cn-hangzhou.localhost:1' }), 'transport'],
  ] as const
  for (const [adapter, failure] of failures) {
    expect(await adapter.probe()).toMatchObject({ ok: false, failure, checks: [{ name: 'read', failure }] })
    await adapter.close()
  }
})

it('only reads what is read only', async () => {
  const adapter = at({ readOnly: true })
  expect(await adapter.probe()).toMatchObject({ ok: true, checks: [{ name: 'read', ok: true }] })
  await expect(adapter.put('a', Buffer.from('x'))).rejects.toMatchObject({ code: 'not-supported', field: 'readOnly' })
  await adapter.close()
})
