import type { Call } from './call.ts'
import { OssError } from './errors.ts'
import type { OssRequest } from './request.ts'
import type { Bucket, StoredObject } from './store.ts'

/** @throws OssError `InvalidObjectState` for an archived object that was not restored */
export function assertReadable(object: StoredObject): void {
  if (!/Archive$/.test(object.storageClass) || object.restore === 'done') return
  throw new OssError('InvalidObjectState', 'The operation is not valid for the object state.')
}

/**
 * The range that a GET asks for, or `undefined` for all of the object: OSS answers a range that is not within the object with the
 * whole of it, unless `x-oss-range-behavior: standard` is sent.
 */
export function readRange(request: OssRequest, size: number): { start: number; end: number } | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(request.header('range') ?? '')
  if (match === null || (match[1] === '' && match[2] === '')) return undefined
  const isStandard = request.header('x-oss-range-behavior') === 'standard'
  const start = match[1] === '' ? Math.max(0, size - Number(match[2])) : Number(match[1])
  const end = match[1] === '' || match[2] === '' ? size - 1 : Number(match[2])
  if (start < size && end >= start && (end < size || isStandard)) return { start, end: Math.min(end, size - 1) }
  const isNone = match[2] !== '' && Number(match[2]) < start
  if (isStandard && !(isNone && match[1] !== '')) {
    throw new OssError('InvalidRange', 'The requested range cannot be satisfied.', { ActualObjectSize: String(size) })
  }
  return undefined
}

/** The object that `x-oss-copy-source` names, if its conditions hold. @throws OssError */
export function copySource(call: Call): StoredObject {
  const { request } = call
  const [path = '', query = ''] = (request.header('x-oss-copy-source') ?? '').split('?')
  const match = /^\/?([^/]+)\/(.+)$/s.exec(decoded(path))
  if (match === null) throw new OssError('InvalidArgument', 'Copy Source must mention the source bucket and key.')
  const bucket = call.otherBucket(match[1] as string)
  const object = bucket.find(match[2] as string, /^versionId=(.+)$/.exec(query)?.[1])
  const header = (name: string): string | undefined => request.header(`x-oss-copy-source-${name}`)
  const holds = (condition: string): boolean => condition.replaceAll('"', '') === object.etag
  const ifMatch = header('if-match')
  if (ifMatch !== undefined && !holds(ifMatch)) {
    throw new OssError('PreconditionFailed', 'At least one of the pre-conditions you specified did not hold.', {
      Condition: 'x-oss-copy-source-if-match',
    })
  }
  const ifNoneMatch = header('if-none-match')
  if (ifNoneMatch !== undefined && holds(ifNoneMatch)) throw new OssError('NotModified', 'Not Modified')
  return object
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new OssError('InvalidArgument', 'Copy Source must be percent-encoded UTF-8.')
  }
}

/** The object that a link shows, or the object itself. @throws OssError `SymlinkTargetNotExist`, `InvalidTargetType` */
export function behind(bucket: Bucket, object: StoredObject): StoredObject {
  if (object.target === undefined) return object
  const target = bucket.current(object.target)
  if (target === undefined) throw new OssError('SymlinkTargetNotExist', 'The symlink target object does not exist.')
  if (target.target !== undefined) throw new OssError('InvalidTargetType', 'The symlink target is a symlink.')
  return target
}
