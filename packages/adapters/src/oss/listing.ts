import type { ListedObject, ListOptions, ListPage } from '@stowage/core'
import { brokenListing, listPages, type PageQuestion, type PageReply, unquote } from '../shared/index.ts'
import type { OssContext } from './context.ts'
import { childrenOf, childText, parseXml, type XmlNode } from './xml.ts'

/** The pages of a listing, whatever position it begins at. */
export async function* listObjects(context: OssContext, options: ListOptions): AsyncGenerator<ListPage> {
  context.transport.begin(options.signal)
  yield* listPages(
    { ...storeOf(context), ask: async (question, signal) => readPage(context, await ask(context, question, signal)) },
    options,
  )
}

async function ask(
  { transport }: OssContext,
  { maxKeys, prefix, startAfter, delimiter, token }: PageQuestion,
  signal: AbortSignal | undefined,
): Promise<XmlNode> {
  const answer = await transport.send({
    method: 'GET',
    signal,
    query: {
      'list-type': '2',
      'encoding-type': 'url',
      'max-keys': String(maxKeys),
      ...(prefix === undefined ? {} : { prefix }),
      ...(startAfter === undefined ? {} : { 'start-after': startAfter }),
      ...(delimiter === undefined ? {} : { delimiter }),
      ...(token === undefined ? {} : { 'continuation-token': token }),
    },
  })
  return parseXml(answer.text)
}

function readPage(context: OssContext, root: XmlNode): PageReply {
  const read = nameReader(context, root)
  const truncated = root.name === 'ListBucketResult' ? childText(root, 'IsTruncated') : undefined
  const count = childText(root, 'KeyCount')
  const next = childText(root, 'NextContinuationToken')
  return {
    objects: childrenOf(root, 'Contents').map((row) => readRow(context, row, read)),
    prefixes: childrenOf(root, 'CommonPrefixes').map((row) => read(childText(row, 'Prefix') ?? '')),
    isTruncated: truncated === undefined ? undefined : truncated === 'true',
    keyCount: count === undefined ? undefined : Number(count),
    nextToken: next ? read(next) : undefined,
  }
}

function readRow(context: OssContext, row: XmlNode, read: (name: string) => string): ListedObject {
  const [key, size] = [childText(row, 'Key'), childText(row, 'Size')]
  if (!key || size === undefined || !/^\d+$/.test(size)) {
    throw brokenListing(storeOf(context), 'listed a row without a key or a size')
  }
  const storageClass = childText(row, 'StorageClass')
  return {
    key: read(key),
    size: Number(size),
    etag: unquote(childText(row, 'ETag')),
    lastModified: Date.parse(childText(row, 'LastModified') ?? '') || 0,
    ...(storageClass === undefined ? {} : { storageClass }),
  }
}

/** Reads names as an answer writes them: percent-encoded when it says so. */
export function nameReader(context: OssContext, root: XmlNode): (name: string) => string {
  if (childText(root, 'EncodingType') !== 'url') return (name) => name
  return (name) => {
    try {
      return decodeURIComponent(name)
    } catch {
      throw brokenListing(storeOf(context), `listed ${JSON.stringify(name)}, which is no percent-encoded UTF-8`)
    }
  }
}

function storeOf({ adapter, transport }: OssContext): {
  adapter: OssContext['adapter']
  bucket: string
  protocol: string
} {
  return { adapter, bucket: transport.bucket, protocol: 'OSS' }
}
