import { expect, it } from 'vitest'
import { completeXml, readCompleted, readUploadId } from './upload-xml.ts'

it('writes what completes an upload', () => {
  const parts = [
    { PartNumber: 1, ETag: '"a&b"' },
    { PartNumber: 2, ETag: '"c"', ChecksumCRC32: 'x/+=' },
  ]
  expect(completeXml(parts)).toBe(
    '<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">' +
      '<Part><PartNumber>1</PartNumber><ETag>"a&amp;b"</ETag></Part>' +
      '<Part><PartNumber>2</PartNumber><ETag>"c"</ETag><ChecksumCRC32>x/+=</ChecksumCRC32></Part>' +
      '</CompleteMultipartUpload>',
  )
})

it('reads the id of an upload, and refuses an answer without one', () => {
  const begun = (inner: string): Buffer =>
    Buffer.from(
      `<?xml version="1.0"?>\n<InitiateMultipartUploadResult xmlns="x">${inner}</InitiateMultipartUploadResult>`,
    )
  expect(readUploadId(begun('<Bucket>b</Bucket><Key>k</Key><UploadId>u&amp;1</UploadId>'))).toBe('u&1')
  for (const wrong of [
    begun('<Key>k</Key>'),
    begun('<UploadId></UploadId>'),
    begun('<UploadId>u</Upl'),
    Buffer.alloc(0),
  ]) {
    expect(() => readUploadId(wrong)).toThrow(expect.objectContaining({ name: 'MalformedAnswer' }))
  }
  expect(() => readUploadId(Buffer.from('<Other><UploadId>u</UploadId></Other>'))).toThrow('no id')
})

it('reads what became of a completion, also where the store begins with blanks to keep the connection', () => {
  const done =
    '<?xml version="1.0"?>   \n  <CompleteMultipartUploadResult><ETag>"e-2"</ETag></CompleteMultipartUploadResult>'
  expect(readCompleted(Buffer.from(done))).toEqual({ etag: '"e-2"' })
  expect(readCompleted(Buffer.from(`  ${done.slice(21)}`))).toEqual({ etag: '"e-2"' })
  expect(readCompleted(Buffer.from('<CompleteMultipartUploadResult/>'))).toEqual({ etag: undefined })
  expect(readCompleted(Buffer.alloc(0))).toEqual({ etag: undefined })
  expect(readCompleted(Buffer.from(' <Error><Code>InternalError</Code></Error>'))).toBe('failed')
  for (const wrong of [done.slice(0, -5), '<Other/>', 'fine', '   ']) {
    expect(() => readCompleted(Buffer.from(wrong))).toThrow(expect.objectContaining({ name: 'MalformedAnswer' }))
  }
})
