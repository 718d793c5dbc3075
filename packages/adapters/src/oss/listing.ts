import { hasCode, type ListedObject, type ListOptions, type ListPage, type SkippedEntry } from '@stowage/core'
import pLimit from 'p-limit'
import { brokenListing, listPages, type PageQuestion, type PageReply, unquote } from '../shared/index.ts'
import type { OssContext } from './context.ts'
import { headObject } from './objects.ts'
import { childrenOf, childText, parseXml, type XmlNode } from './xml.ts'

/** Symbolic links of a page that are looked at at the same time. */
const linkConcurrency = 16

/** The pages of a listing, whatever position it begins at. */
export async function* listObjects(context: OssContext, options: ListOptions): AsyncGenerator<ListPage> {
  context.transport.begin(options.signal)
  yield* listPages(
    {
      ...storeOf(context),
      ask: async (question, signal) =>
        withLinks(context, readPage(context, await ask(context, question, signal)), signal),
    },
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

interface OssPage extends PageReply {
  /** Positions among the objects. */
  links: number[]
}

/**
 * A row of a symbolic link tells of the link; what `head` and `get` show is the object behind it, and so does the listing then. One that
 * leads nowhere is no object.
 */
async function withLinks(
  context: OssContext,
  { links, ...page }: OssPage,
  signal: AbortSignal | undefined,
): Promise<PageReply> {
  if (links.length === 0) return page
  const skipped: SkippedEntry[] = []
  await pLimit(linkConcurrency).map(links, async (at) => {
    const row = page.objects[at] as ListedObject
    try {
      const { size, etag, lastModified } = await headObject(context, row.key, signal === undefined ? {} : { signal })
      Object.assign(row, { size, etag, lastModified })
    } catch (error) {
      if (!hasCode(error, 'not-found', 'invalid-request')) throw error
      skipped.push({ name: row.key, reason: 'is a symbolic link that leads to no object', severity: 'problem' })
    }
  })
  return { ...page, skipped }
}

function readPage(context: OssContext, root: XmlNode): OssPage {
  const read = nameReader(context, root)
  const rows = childrenOf(root, 'Contents')
  const truncated = root.name === 'ListBucketResult' ? childText(root, 'IsTruncated') : undefined
  const count = childText(root, 'KeyCount')
  const next = childText(root, 'NextContinuationToken')
  return {
    objects: rows.map((row) => readRow(context, row, read)),
    links: rows.flatMap((row, at) => (childText(row, 'Type') === 'Symlink' ? [at] : [])),
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
