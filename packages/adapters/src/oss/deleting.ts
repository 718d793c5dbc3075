import { createHash } from 'node:crypto'
import { type CallOptions, type DeleteManyResult, type DeleteOptions, hasCode } from '@stowage/core'
import { deleteMany } from '../shared/index.ts'
import type { OssContext } from './context.ts'
import { nameReader } from './listing.ts'
import { versionQuery } from './objects.ts'
import { childrenOf, childText, escapeXml, parseXml } from './xml.ts'

export async function deleteObject({ transport }: OssContext, key: string, options: DeleteOptions): Promise<void> {
  const { versionId, signal } = options
  try {
    await transport.send({ method: 'DELETE', key, signal, query: versionQuery(versionId) })
  } catch (error) {
    if (!hasCode(error, 'not-found')) throw error
  }
}

export async function deleteObjects(
  context: OssContext,
  keys: readonly string[],
  options: CallOptions,
): Promise<DeleteManyResult> {
  const { adapter, transport } = context
  transport.begin(options.signal)
  const result = await deleteMany(adapter, keys, {
    one: (key) => deleteObject(context, key, options),
    batch: (some) => deleteBatch(context, some, options),
  })
  transport.begin(options.signal)
  return result
}

/** https://www.alibabacloud.com/help/en/oss/developer-reference/deletemultipleobjects: it names only what it deleted. */
async function deleteBatch(
  context: OssContext,
  keys: readonly string[],
  { signal }: CallOptions,
): Promise<DeleteManyResult> {
  const objects = keys.map((key) => `<Object><Key>${escapeXml(key)}</Key></Object>`).join('')
  const xml = Buffer.from(`<?xml version="1.0" encoding="UTF-8"?><Delete><Quiet>false</Quiet>${objects}</Delete>`)
  const answer = await context.transport.send({
    method: 'POST',
    signal,
    query: { delete: '', 'encoding-type': 'url' },
    headers: {
      'content-type': 'application/xml',
      'content-length': String(xml.length),
      'content-md5': createHash('md5').update(xml).digest('base64'),
    },
    body: () => xml,
  })
  const root = parseXml(answer.text)
  const read = nameReader(context, root)
  return { deleted: childrenOf(root, 'Deleted').map((row) => read(childText(row, 'Key') ?? '')), failed: [] }
}
