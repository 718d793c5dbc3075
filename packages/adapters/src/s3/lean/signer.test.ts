import { describe, expect, it } from 'vitest'
import type { HeaderList } from '../../shared/index.ts'
import { encodeKey, encodePart } from './encoding.ts'
import { type Credentials, Signer } from './signer.ts'

// The examples of https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
const credentials: Credentials = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
}
const host = 'examplebucket.s3.amazonaws.com'
const now = Date.UTC(2013, 4, 24)
const empty = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

function authorization(
  signer: Signer,
  request: { method?: string; path?: string; query?: string; headers?: HeaderList; payload?: string },
  keys: Credentials = credentials,
  at: number = now,
): string {
  const headers = [...(request.headers ?? [])]
  signer.sign({ method: 'GET', path: '/', query: '', payload: empty, ...request, headers }, keys, at)
  return headers.at(-1) ?? ''
}

const signature = (text: string): string | undefined => /Signature=([0-9a-f]+)$/.exec(text)?.[1]

describe('the signature', () => {
  it('is that of the published examples', () => {
    const signer = new Signer(host, 'us-east-1')
    const get = authorization(signer, { path: '/test.txt', headers: ['range', 'bytes=0-9'] })
    expect(get).toBe(
      'AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, ' +
        'Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
    )
    const put = authorization(signer, {
      method: 'PUT',
      path: '/test%24file.text',
      headers: ['date', 'Fri, 24 May 2013 00:00:00 GMT', 'x-amz-storage-class', 'REDUCED_REDUNDANCY'],
      payload: '44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072',
    })
    expect(signature(put)).toBe('98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd')
    const list = authorization(signer, { query: 'max-keys=2&prefix=J' })
    expect(signature(list)).toBe('34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7')
  })

  it('follows the day and the credentials', () => {
    const signer = new Signer(host, 'us-east-1')
    const first = authorization(signer, {})
    const later = authorization(signer, {}, credentials, now + 86_400_000)
    const other = authorization(signer, {}, { ...credentials, secretAccessKey: 'other' })
    const token = authorization(signer, {}, { ...credentials, sessionToken: 'token' })
    expect(new Set([first, later, other, token].map(signature)).size).toBe(4)
    expect(later).toContain('/20130525/')
    expect(token).toContain('x-amz-security-token')
    expect(authorization(signer, {})).toBe(first)
    expect(authorization(new Signer(host, 'eu-west-1'), {})).not.toBe(first)
  })

  it('covers values with their blanks folded, and names in the order of their bytes', () => {
    const signer = new Signer(host, 'us-east-1')
    const one = authorization(signer, {
      headers: ['x-amz-meta-b', ' a   b ', 'x-amz-meta-a-b', '1', 'x-amz-meta-a', '2'],
    })
    const two = authorization(signer, { headers: ['x-amz-meta-a', '2', 'x-amz-meta-b', 'a b', 'x-amz-meta-a-b', '1'] })
    expect(one).toBe(two)
    expect(one).toContain('x-amz-meta-a;x-amz-meta-a-b;x-amz-meta-b')
  })
})

describe('the query of a signed URL', () => {
  it('is that which the SDK makes', async () => {
    const { S3Client, GetObjectCommand } = await import('@aws-sdk/client-s3')
    const { getSignedUrl } = await import('@aws-sdk/s3-request-presigner')
    for (const sessionToken of [undefined, 'a+token/=']) {
      const { accessKeyId, secretAccessKey } = credentials
      const keys = { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) }
      const client = new S3Client({
        region: 'us-east-1',
        credentials: keys,
        requestChecksumCalculation: 'WHEN_REQUIRED',
        responseChecksumValidation: 'WHEN_REQUIRED',
      })
      for (const key of ['a/b.txt', "a b+c%d/'()*!/ä😀"]) {
        const command = new GetObjectCommand({ Bucket: 'examplebucket', Key: key })
        // The name of the operation, which the SDK adds, means nothing to stores.
        command.middlewareStack.add(
          (next) => (args) => {
            const { query } = args.request as { query: Record<string, string> }
            delete query['x-id']
            return next(args)
          },
          { step: 'build', priority: 'low' },
        )
        const theirs = new URL(await getSignedUrl(client, command, { expiresIn: 60, signingDate: new Date(now) }))
        const signer = new Signer(theirs.host, 'us-east-1')
        const ours = signer.presign(theirs.pathname, keys, now, 60)
        const sorted = (query: URLSearchParams) => [...query].sort(([a], [b]) => (a < b ? -1 : 1))
        expect(sorted(new URLSearchParams(ours))).toEqual(sorted(theirs.searchParams))
        expect(theirs.pathname).toBe(`/${encodeKey(key)}`)
      }
      client.destroy()
    }
  })
})

describe('the path of a key', () => {
  it('keeps slashes and unreserved characters, and nothing else', () => {
    expect(encodeKey('a-b_c.d~e/F9')).toBe('a-b_c.d~e/F9')
    expect(encodeKey("a b+c%d/'()*!/ä😀")).toBe('a%20b%2Bc%25d/%27%28%29%2A%21/%C3%A4%F0%9F%98%80')
    expect(encodePart('a/b=c&d')).toBe('a%2Fb%3Dc%26d')
  })
})
