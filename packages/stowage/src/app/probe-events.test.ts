import { testSecret } from '@stowage/test-support'
import { expect, it } from 'vitest'
import { createStowage } from './create.ts'

it('starts no sync for what probes write', async () => {
  const stowage = await createStowage({
    sources: [
      {
        id: 'lan',
        type: 'minio',
        endpoint: 'http://127.0.0.1:1',
        bucket: 'train',
        accessKey: 'a',
        secretKey: testSecret('probe'),
      },
      { id: 'mem', type: 'memory' },
    ],
    policies: [{ id: 'all', on: 'event', from: 'lan:', to: 'mem:' }],
  })
  const policies = (key: string): string[] => stowage.policiesFor({ bucket: 'train', key }).map(({ id }) => id)
  expect(policies('raw/a')).toEqual(['all'])
  expect(policies('.stowage-probe/write-3')).toEqual([])
  await stowage.close()
})
