import { checkedTags } from './attributes.ts'
import { type Answer, type Call, checkedBody, xmlAnswer } from './call.ts'
import { assertXml, elementsOf, textOf } from './xml.ts'

/** GetObjectTagging. */
export function getTagging({ request, bucket, key }: Call): Answer {
  const { tags } = bucket.find(key, request.query.get('versionId'))
  return xmlAnswer('Tagging', { TagSet: { Tag: [...tags].map(([Key, Value]) => ({ Key, Value })) } })
}

/** PutObjectTagging. */
export async function putTagging(call: Call): Promise<Answer> {
  const { request, bucket, key } = call
  const xml = (await checkedBody(call, 64 * 1024)).toString()
  assertXml(xml)
  const pairs = elementsOf(xml, 'Tag').map((tag): [string, string] => [
    textOf(tag, 'Key') ?? '',
    textOf(tag, 'Value') ?? '',
  ])
  bucket.find(key, request.query.get('versionId')).tags = checkedTags(pairs)
  return {}
}

/** DeleteObjectTagging. */
export function deleteTagging({ request, bucket, key }: Call): Answer {
  bucket.find(key, request.query.get('versionId')).tags = new Map()
  return { status: 204 }
}
