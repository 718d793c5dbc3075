import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BLOCK_SIZE } from '@stowage/core'
import { resolveLocalhost, s3Request, startMinio, startOssDouble, tempDir, withMinio } from '@stowage/test-support'
import { expect, it } from 'vitest'
import { createStowage } from './create.ts'

resolveLocalhost()

await withMinio(() => {
  it('from OSS (its double) to a real MinIO, read from MinIO, and from OSS when MinIO is killed in mid-file', async () => {
    const double = await startOssDouble()
    await using server = await startMinio()
    await s3Request(server, { method: 'PUT', path: '/train' })
    const { endpoint, accessKey, secretKey, region } = double
    const stowage = await createStowage(
      {
        sources: [
          { id: 'oss-hz', type: 'oss', endpoint, region, bucket: double.createBucket(), accessKey, secretKey },
          {
            id: 'lan',
            type: 'minio',
            endpoint: server.endpoint,
            region: 'rack-7',
            bucket: 'train',
            accessKey: server.accessKey,
            secretKey: server.secretKey,
          },
        ],
        policies: [{ id: 'inward', on: 'publish', from: 'oss-hz', to: 'lan' }],
      },
      { background: false },
    )
    try {
      const folder = tempDir('cats')
      mkdirSync(join(folder, 'train'))
      for (let i = 0; i < 30; i++) writeFileSync(join(folder, 'train', `${i} 猫+%.jpg`), Buffer.alloc(1000 + i, i))
      const large = Buffer.alloc(3 * BLOCK_SIZE + 7)
      for (let i = 0; i + 4 <= large.length; i += 4) large.writeUInt32LE(Math.imul(i, 2654435761) >>> 0, i)
      writeFileSync(join(folder, 'model.bin'), large)

      const cats = await stowage.as({ userId: 'ada', userType: 'external' }).datasets.create({ name: 'cats' })
      expect((await cats.upload(folder)).sourceId).toBe('oss-hz')
      expect(await stowage.runPolicies()).toMatchObject([{ status: 'success', from: 'oss-hz', to: 'lan' }])

      const node = stowage.as({ workspaceId: 'w7', region: 'rack-7' })
      const { alternatives } = await node.datasets.access(cats.id, { mode: 'url', path: 'train/3 猫+%.jpg' })
      expect(alternatives.map((one) => one.sourceId)).toEqual(['lan', 'oss-hz'])
      for (const { url } of alternatives) {
        const response = await fetch(url as string)
        expect(Buffer.from(await response.arrayBuffer()).equals(Buffer.alloc(1003, 3))).toBe(true)
      }

      const file = await node.datasets.open(cats.id, 'model.bin')
      const chunks: Uint8Array[] = []
      for await (const chunk of file.stream) {
        if (chunks.length === 0) await server.kill()
        chunks.push(chunk)
      }
      expect(Buffer.concat(chunks).equals(large)).toBe(true)
      expect(file.failovers).toMatchObject([{ from: 'lan', to: 'oss-hz' }])
    } finally {
      await stowage.close()
      await double.stop()
    }
  })
})
