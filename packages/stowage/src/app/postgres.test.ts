import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tempDir, withPostgres } from '@stowage/test-support'
import { expect, it } from 'vitest'
import { createStowage } from './create.ts'

await withPostgres(({ url }) => {
  it('is one catalog for several machines: what one publishes another replicates and a third reads', async () => {
    const [outside, inside, folder] = [tempDir('outside'), tempDir('inside'), tempDir('cats')]
    const machine = () =>
      createStowage(
        {
          sources: [
            { id: 'oss-public', type: 'filesystem', root: outside, isPublic: true },
            { id: 'minio-inside', type: 'filesystem', root: inside, region: 'rack-7' },
          ],
          catalog: { type: 'postgres', url: { env: 'DATABASE_URL' }, schema: 'several_machines' },
          policies: [{ id: 'inward', on: 'publish', from: 'oss-public', to: 'minio-inside' }],
        },
        { background: false, env: { DATABASE_URL: url } },
      )
    const [first, second, third] = await Promise.all([machine(), machine(), machine()])
    try {
      for (let i = 0; i < 20; i++) writeFileSync(join(folder, `${i}.txt`), `cat ${i}`)
      const cats = await first.as({ userId: 'ada', userType: 'external' }).datasets.create({ name: 'cats' })
      await cats.upload(folder)
      const runs = (await Promise.all([second.runPolicies(), third.runPolicies()])).flat()
      expect(runs).toMatchObject([{ status: 'success', from: 'oss-public', to: 'minio-inside' }])
      const node = third.as({ workspaceId: 'w7', region: 'rack-7' })
      const file = await node.datasets.open(cats.id, '7.txt')
      const chunks: Uint8Array[] = []
      for await (const chunk of file.stream) chunks.push(chunk)
      expect(Buffer.concat(chunks).toString()).toBe('cat 7')
      expect(file.decision.candidates[0]?.sourceId).toBe('minio-inside')
    } finally {
      await Promise.all([first.close(), second.close(), third.close()])
    }
  })
})
