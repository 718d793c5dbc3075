import { createHash } from 'node:crypto'
import { type CallOptions, type DeleteManyResult, type DeleteOptions, hasCode, StowageError } from '@stowage/core'
import pLimit from 'p-limit'
import { assertKey } from '../shared/index.ts'
import type { OssContext } from './context.ts'
import { nameReader } from './listing.ts'
import { versionQuery } from './objects.ts'
import { childrenOf, childText, escapeXml, parseXml } from './xml.ts'

/** Keys of one request: https://www.alibabacloud.com/help/en/oss/developer-reference/deletemultipleobjects */
const batchSize = 1000
const singleConcurrency = 16

/** Keys that XML or a parser's trimming would change on the way: they are deleted one by one. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const unfitForXml = /[\u0000-\u001f\u007f\ufffe\uffff]|^\s|\s$/

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
  const result: DeleteManyResult = { deleted: [], failed: [] }
  const single: string[] = []
  const batched: string[] = []
  for (const key of new Set(keys)) {
    try {
      assertKey(adapter, key)
    } catch (error) {
      result.failed.push({ key, error: error as StowageError })
      continue
    }
    if (unfitForXml.test(key)) single.push(key)
    else batched.push(key)
  }
  await pLimit(singleConcurrency).map(single, async (key) => {
    try {
      await deleteObject(context, key, options)
      result.deleted.push(key)
    } catch (error) {
      result.failed.push({ key, error: error as StowageError })
    }
  })
  for (let at = 0; at < batched.length; at += batchSize) {
    await deleteBatch(context, batched.slice(at, at + batchSize), options, result)
  }
  transport.begin(options.signal)
  return result
}

async function deleteBatch(
  context: OssContext,
  keys: readonly string[],
  { signal }: CallOptions,
  result: DeleteManyResult,
): Promise<void> {
  const { adapter, transport } = context
  const left = new Set(keys)
  const objects = keys.map((key) => `<Object><Key>${escapeXml(key)}</Key></Object>`).join('')
  const xml = Buffer.from(`<?xml version="1.0" encoding="UTF-8"?><Delete><Quiet>false</Quiet>${objects}</Delete>`)
  try {
    const answer = await transport.send({
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
    for (const row of childrenOf(root, 'Deleted')) {
      const key = read(childText(row, 'Key') ?? '')
      if (left.delete(key)) result.deleted.push(key)
    }
  } catch (error) {
    for (const key of left) result.failed.push({ key, error: error as StowageError })
    return
  }
  // What the answer does not name may or may not be gone: said as it is.
  for (const key of left) {
    const message = `${adapter.id}: the store did not say whether ${JSON.stringify(key)} was deleted.`
    result.failed.push({ key, error: new StowageError('unavailable', message, { key, sourceId: adapter.id }) })
  }
}
