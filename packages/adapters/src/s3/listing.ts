import { compareKeys, type ListedObject, type ListOptions, type ListPage, StowageError } from '@stowage/core'
import { unquote } from './headers.ts'
import type { S3Context } from './objects.ts'

/** The pages of a listing. Every page is held against the one before: a listing that does not rise would loop or lose objects. */
export async function* listObjects(context: S3Context, options: ListOptions): AsyncGenerator<ListPage> {
  const { adapter, connection } = context
  const most = adapter.capabilities.listing.pageSize
  let last: string | undefined
  let token: string | undefined
  for (;;) {
    const answer = await connection.send({ signal: options.signal }, ({ sdk, client, http }) =>
      client.send(
        new sdk.ListObjectsV2Command({
          Bucket: connection.bucket,
          EncodingType: 'url',
          MaxKeys: Math.max(1, Math.min(options.pageSize ?? most, most)),
          ...(options.prefix === undefined ? {} : { Prefix: options.prefix }),
          ...(options.startAfter === undefined || token !== undefined ? {} : { StartAfter: options.startAfter }),
          ...(options.delimiter === undefined ? {} : { Delimiter: options.delimiter }),
          ...(token === undefined ? {} : { ContinuationToken: token }),
        }),
        http,
      ),
    )
    const decode = answer.EncodingType === 'url' ? decodeListed : (text: string): string => text
    const page: ListPage = { objects: [], prefixes: [] }
    for (const row of answer.Contents ?? []) {
      const object: ListedObject = {
        key: decode(row.Key ?? ''),
        size: row.Size ?? 0,
        etag: unquote(row.ETag),
        lastModified: row.LastModified?.getTime() ?? 0,
      }
      if (row.StorageClass !== undefined) object.storageClass = row.StorageClass
      page.objects.push(object)
    }
    for (const row of answer.CommonPrefixes ?? []) page.prefixes.push(decode(row.Prefix ?? ''))
    assertRising(context, page, last)
    last = lastOf(page) ?? last
    if (page.objects.length + page.prefixes.length > 0) yield page
    if (answer.IsTruncated !== true) return
    if (answer.NextContinuationToken === undefined || answer.NextContinuationToken === token) {
      throw broken(context, 'said that more follows, but not where')
    }
    token = answer.NextContinuationToken
  }
}

/** A key as a listing with `encoding-type=url` writes it. */
export function decodeListed(text: string): string {
  return decodeURIComponent(text.replaceAll('+', ' '))
}

function assertRising(context: S3Context, page: ListPage, last: string | undefined): void {
  for (const keys of [page.objects.map((object) => object.key), page.prefixes]) {
    let before = last
    for (const key of keys) {
      if (before !== undefined && compareKeys(key, before) <= 0) {
        throw broken(context, `listed ${JSON.stringify(key)} after ${JSON.stringify(before)}`)
      }
      before = key
    }
  }
}

function lastOf(page: ListPage): string | undefined {
  const object = page.objects.at(-1)?.key
  const prefix = page.prefixes.at(-1)
  if (object === undefined || prefix === undefined) return object ?? prefix
  return compareKeys(object, prefix) > 0 ? object : prefix
}

function broken({ adapter, connection }: S3Context, what: string): StowageError {
  return new StowageError(
    'unavailable',
    `${adapter.id}: the listing of bucket ${connection.bucket} cannot be trusted: the store ${what}.`,
    {
      sourceId: adapter.id,
      retryable: false,
      hint: 'The store does not follow S3; nothing was concluded from this listing.',
    },
  )
}
