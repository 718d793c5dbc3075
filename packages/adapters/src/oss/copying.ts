import { type CopyOptions, type ObjectInfo, type PutResult, StowageError } from '@stowage/core'
import { quote } from '../shared/index.ts'
import type { OssContext } from './context.ts'
import { putResult, writeHeaders } from './headers.ts'
import { copySource, getObject, headObject, putObject } from './objects.ts'
import { getTags } from './tags.ts'
import { childText, parseXml } from './xml.ts'

/**
 * Copies an object within the bucket. OSS copies a symbolic link as a link, not what it shows, and no appendable object at all; so the
 * source is looked at first, and the bytes of these pass through here.
 */
export async function copyObject(
  context: OssContext,
  sourceKey: string,
  key: string,
  options: CopyOptions,
): Promise<PutResult> {
  const { transport, encryption } = context
  const { signal, sourceIfMatch } = options
  const call = signal === undefined ? {} : { signal }
  const info = await headObject(context, sourceKey, {
    ...call,
    ...(sourceIfMatch === undefined ? {} : { ifMatch: sourceIfMatch }),
  })
  if (info.kind !== undefined) return copyThrough(context, info, key, options)
  const replace = options.headers === 'replace'
  const directive = replace ? 'REPLACE' : 'COPY'
  const answer = await transport.send({
    method: 'PUT',
    key,
    signal,
    slow: true,
    headers: {
      ...(replace ? writeHeaders(context, options) : encryption),
      'content-length': '0',
      'x-oss-copy-source': copySource(transport.bucket, sourceKey),
      'x-oss-metadata-directive': directive,
      'x-oss-tagging-directive': replace ? 'Replace' : 'Copy',
      ...(sourceIfMatch === undefined ? {} : { 'x-oss-copy-source-if-match': quote(sourceIfMatch) }),
    },
  })
  return putResult(childText(parseXml(answer.text), 'ETag'), answer.headers)
}

async function copyThrough(
  context: OssContext,
  { key: sourceKey, etag, size, kind, ...info }: ObjectInfo,
  key: string,
  options: CopyOptions,
): Promise<PutResult> {
  const { adapter } = context
  const { signal, headers, sourceIfMatch: _, ...given } = options
  if (size > adapter.capabilities.maxPutSize) {
    throw new StowageError(
      'not-supported',
      `${adapter.id}: OSS does not copy ${JSON.stringify(sourceKey)} (${kind}), and it is too large for one put.`,
      { key: sourceKey, sourceId: adapter.id, hint: 'Read it and upload it in parts.' },
    )
  }
  const call = signal === undefined ? {} : { signal }
  const attributes =
    headers === 'replace' ? given : { ...attributesOf(info), tags: await getTags(context, sourceKey, call) }
  const { body } = await getObject(context, sourceKey, { ...call, ifMatch: etag })
  try {
    return await putObject(context, key, body, { ...attributes, ...call, size })
  } finally {
    body.destroy()
  }
}

function attributesOf(info: Omit<ObjectInfo, 'key' | 'etag' | 'size' | 'kind'>): CopyOptions {
  const { lastModified: _, versionId: __, checksums: ___, storageClass: ____, archived: _____, ...attributes } = info
  return attributes
}
