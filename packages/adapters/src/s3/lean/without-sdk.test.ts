import { expectCode } from '@stowage/core/testing'
import { expect, it, vi } from 'vitest'
import { keysOf, readBytes, text } from '../../testing/bytes.ts'
import { drain, listing, scripted } from '../../testing/scripted-server.ts'

vi.mock('@aws-sdk/client-s3', () => {
  throw new Error('is not installed')
})

const answers = {
  begun: '<InitiateMultipartUploadResult><UploadId>upload</UploadId></InitiateMultipartUploadResult>',
  done: '<CompleteMultipartUploadResult><ETag>&#34;e-1&#34;</ETag></CompleteMultipartUploadResult>',
}

it('objects are read, written and listed, and their reading signed, without the SDK, which only the other calls load', async () => {
  const { adapter } = await scripted(async (request, response) => {
    await drain(request)
    if (request.url?.includes('list-type')) return void response.end(listing(['a']))
    if (request.method === 'POST')
      return void response.end(answers[request.url?.includes('uploads') ? 'begun' : 'done'])
    response.writeHead(200, { etag: '"e"', 'content-length': request.method === 'PUT' ? 0 : 1 })
    response.end(request.method === 'GET' ? 'x' : undefined)
  })
  expect(await adapter.put('a', text('x'))).toEqual({ etag: 'e' })
  expect((await adapter.head('a')).size).toBe(1)
  expect((await readBytes(adapter, 'a')).toString()).toBe('x')
  expect(await keysOf(adapter, {})).toEqual(['a'])
  expect((await adapter.multipart.uploadPart('a', 'upload', 1, text('x'))).etag).toBe('e')
  expect((await adapter.presign({ method: 'get', key: 'a', expiresIn: 60 })).url).toMatch(/X-Amz-Signature=/)
  expect(await adapter.multipart.create('a', { contentType: 'text/plain' })).toEqual({ uploadId: 'upload' })
  const parts = [{ partNumber: 1, etag: 'e', size: 1 }]
  expect(await adapter.multipart.complete('a', 'upload', parts)).toEqual({ etag: 'e-1' })
  const error = await expectCode(adapter.copy('a', 'b'), 'configuration')
  expect(error.hint).toContain('npm install')
})
