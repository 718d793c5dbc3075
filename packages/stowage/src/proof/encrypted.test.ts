import { startMinio, testKey, withMinio } from '@stowage/test-support'
import { expect, it } from 'vitest'
import { filled, KIB, MIB, stage } from './stage.ts'

const partSize = 5 * MIB
const pace = ['--part-size', String(partSize)]

await withMinio((server) => {
  it('a target that encrypts everything with a key of its own, so that its etags say nothing, gets every object as it is', async () => {
    const own = await startMinio({
      env: {
        MINIO_KMS_SECRET_KEY: `stowage-key:${testKey('kms').toString('base64')}`,
        MINIO_KMS_AUTO_ENCRYPTION: 'on',
      },
    })
    const here = await stage({ from: server, to: own })
    await here.from.fill({ 'in/small': filled(100 * KIB, 'small'), 'in/large': filled(2 * partSize + 5, 'large') })
    // Objects that were uploaded in parts: their etags are made of those of the parts.
    const { multipart } = here.from.store
    for (const key of ['in/parts-1', 'in/parts-2', 'in/parts-3', 'in/parts-4', 'in/parts-5']) {
      const { uploadId } = await multipart.create(key)
      const sent = []
      for (const [number, size] of [
        [1, partSize],
        [2, partSize],
        [3, 77],
      ] as const)
        sent.push(await multipart.uploadPart(key, uploadId, number, filled(size, `${key} ${number}`), { size }))
      await multipart.complete(key, uploadId, sent)
    }
    const { code, json } = await here.sync(...pace)
    expect(json).toMatchObject({ status: 'success', objects: { copied: 7, failed: 0 } })
    expect(code).toBe(0)
    const size = 100 * KIB + 2 * partSize + 5 + 5 * (2 * partSize + 77)
    console.info(`sent ${(here.to.proxy.bytesUp() / size).toFixed(2)} times what there is`)
    // Four large objects are under way when it shows what the etags are worth.
    expect(here.to.proxy.bytesUp()).toBeLessThanOrEqual(size + 4 * (2 * partSize + 77) + 2 * partSize)
    expect(await here.stowage('verify', 'from:in', 'to:out')).toMatchObject({ code: 0, json: { identical: true } })
    expect(await here.to.uploads(['small', 'large', 'parts-1', 'parts-2'].map((key) => `out/${key}`))).toEqual([])
    expect(await here.sync(...pace)).toMatchObject({ code: 0, json: { objects: { copied: 0, skipped: 7 } } })
  })
})
