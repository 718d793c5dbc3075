/**
 * Objects that are no ordinary ones: symbolic links (https://www.alibabacloud.com/help/en/oss/developer-reference/putsymlink) and appendable
 * objects (https://www.alibabacloud.com/help/en/oss/developer-reference/appendobject).
 */
import { attributesOf } from './attributes.ts'
import { type Answer, type Call, checkedBody, largestPut, numberOf } from './call.ts'
import { OssError } from './errors.ts'
import { objectKeyProblem } from './names.ts'
import { forbidsOverwrite, objectHeaders, writtenHeaders } from './objects.ts'

/** PutSymlink: whether the target exists is not looked at. */
export function putSymlink(call: Call): Answer {
  const { request, bucket, key, now } = call
  const target = decodeURIComponent(request.header('x-oss-symlink-target') ?? '')
  if (objectKeyProblem(target) !== undefined) throw new OssError('InvalidArgument', 'The target is no object name.')
  bucket.assertOverwrite(key, forbidsOverwrite(call))
  const written = { headers: objectHeaders(call), ...attributesOf(call), bytes: Buffer.alloc(0), lastModified: now }
  return { headers: writtenHeaders(bucket.put(key, { ...written, target }), call) }
}

export function getSymlink({ request, bucket, key }: Call): Answer {
  const { target, etag } = bucket.find(key, request.query.get('versionId'))
  if (target === undefined) throw new OssError('NotSymlink', 'The object is not symlink.')
  return { headers: { 'x-oss-symlink-target': encodeURIComponent(target), etag: `"${etag}"` } }
}

/** AppendObject: an object grows at its end, and only there. */
export async function appendObject(call: Call): Promise<Answer> {
  const { request, bucket, key, now } = call
  const position = numberOf(request, 'position', 0, Number.MAX_SAFE_INTEGER)
  const bytes = await checkedBody(call, largestPut)
  const old = bucket.current(key)
  if (old !== undefined && old.type !== 'Appendable') {
    throw new OssError('ObjectNotAppendable', 'The object is not appendable.')
  }
  if (position !== (old?.bytes.length ?? 0)) {
    throw new OssError('PositionNotEqualToLength', 'Position is not equal to file length.')
  }
  const kept = old ?? { headers: objectHeaders(call), ...attributesOf(call) }
  const { headers, storageClass, tags, encryption } = kept
  const whole = Buffer.concat([old?.bytes ?? Buffer.alloc(0), bytes])
  const put = { bytes: whole, headers, storageClass, tags, encryption, lastModified: now, appendable: true }
  const object = bucket.put(key, put)
  return {
    headers: { ...writtenHeaders(object, call), 'x-oss-next-append-position': String(object.bytes.length) },
  }
}
