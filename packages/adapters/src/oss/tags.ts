import type { HeadOptions } from '@stowage/core'
import type { OssContext } from './context.ts'
import { versionQuery } from './objects.ts'
import { childrenOf, childText, parseXml } from './xml.ts'

/** The tags of an object: https://www.alibabacloud.com/help/en/oss/developer-reference/getobjecttagging */
export async function getTags(context: OssContext, key: string, options: HeadOptions): Promise<Record<string, string>> {
  const { ifMatch, versionId, signal } = options
  const { transport } = context
  if (ifMatch !== undefined) {
    // The call itself knows no conditions.
    await transport.send({
      method: 'HEAD',
      key,
      signal,
      query: versionQuery(versionId),
      headers: { 'if-match': `"${ifMatch}"` },
    })
  }
  const answer = await transport.send({
    method: 'GET',
    key,
    signal,
    query: { tagging: '', ...versionQuery(versionId) },
  })
  const sets = childrenOf(parseXml(answer.text), 'TagSet')
  const tags = sets.flatMap((set) => childrenOf(set, 'Tag'))
  return Object.fromEntries(tags.map((tag) => [childText(tag, 'Key') ?? '', childText(tag, 'Value') ?? '']))
}
