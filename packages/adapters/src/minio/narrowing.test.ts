import { expectCode } from '@stowage/core/testing'
import { createMinioUser, freshBucket, testSecret, withMinio } from '@stowage/test-support'
import { expect, it } from 'vitest'
import { minio } from './index.ts'

await withMinio(async (server) => {
  const user = await createMinioUser(server)

  it('narrows writes to keys with every character that policies know, also in parts', async () => {
    const bucket = (await freshBucket(server)).name
    const lan = minio({ ...user, id: 'lan', bucket, narrowing: {} })
    expect(lan.capabilities.presignedWrites).toBe('narrowed')
    for (const key of ['a*b', 'a?b', 'a$b', '{$}', 'ä b+%.txt', 'deep/er/key']) {
      const { url, method, headers } = await lan.presign({ method: 'put', key, expiresIn: 60 })
      const answer = await fetch(url, { method, headers, body: key })
      expect([key, answer.status]).toEqual([key, 200])
      expect(url).not.toContain(user.accessKey)
    }
    const { uploadId } = await lan.multipart.create('parts')
    const { url } = await lan.presign({ method: 'part', key: 'parts', uploadId, partNumber: 1, expiresIn: 3600 })
    expect((await fetch(url, { method: 'PUT', body: 'part' })).status).toBe(200)
    await lan.multipart.abort('parts', uploadId)
    // A read is signed with the source's own keys.
    expect((await lan.presign({ method: 'get', key: 'a*b', expiresIn: 60 })).url).toContain(user.accessKey)
    await lan.close()
  })

  it('narrows root too, and says what to do where the token service refuses', async () => {
    const bucket = (await freshBucket(server)).name
    const lan = minio({ ...server, id: 'lan', bucket, narrowing: {} })
    await lan.put('victim', Buffer.from('secret'))
    const { url, headers } = await lan.presign({ method: 'put', key: 'k', expiresIn: 60 })
    const stolen = { ...headers, 'x-amz-copy-source': `/${bucket}/victim` }
    expect((await fetch(url, { method: 'PUT', headers: stolen })).status).toBe(403)
    await lan.close()
    const wrong = minio({ ...server, secretKey: testSecret('wrong'), id: 'lan', bucket, narrowing: {} })
    const error = await expectCode(wrong.presign({ method: 'put', key: 'k', expiresIn: 60 }), 'access-denied')
    expect(error.hint).toContain('AssumeRole')
    await wrong.close()
  })
})
