import { type Answer, type Call, checkedBody, nameWriter, xmlAnswer } from './call.ts'
import { OssError } from './errors.ts'
import { objectKeyProblem } from './names.ts'
import type { Versioning } from './store.ts'
import { assertXml, elementsOf, textOf, type XmlElements } from './xml.ts'

/** DeleteMultipleObjects. */
export async function deleteObjects(call: Call): Promise<Answer> {
  const { request, bucket, now } = call
  if (request.header('content-md5') === undefined) {
    throw new OssError('MissingArgument', 'Missing Some Required Arguments: Content-MD5.')
  }
  const xml = (await checkedBody(call, 2 * 1024 * 1024)).toString()
  assertXml(xml)
  const write = nameWriter(request)
  const wanted = elementsOf(xml, 'Object').map((one) => ({
    key: textOf(one, 'Key') ?? '',
    versionId: textOf(one, 'VersionId'),
  }))
  if (wanted.length === 0 || wanted.length > 1000 || wanted.some(({ key }) => objectKeyProblem(key) !== undefined)) {
    throw new OssError('MalformedXML', 'The XML you provided was not well-formed or did not validate.')
  }
  const deleted: XmlElements[] = wanted.map(({ key, versionId }) => {
    const result = bucket.delete(key, versionId, now)
    const isNewMarker = versionId === undefined && result.isDeleteMarker === true
    return {
      Key: write(key),
      VersionId: versionId,
      DeleteMarker: result.isDeleteMarker,
      DeleteMarkerVersionId: isNewMarker ? result.versionId : undefined,
    }
  })
  if (textOf(xml, 'Quiet') === 'true') return {}
  return xmlAnswer('DeleteResult', { EncodingType: request.query.get('encoding-type'), Deleted: deleted })
}

export function getVersioning({ bucket }: Call): Answer {
  return xmlAnswer('VersioningConfiguration', { Status: bucket.versioning })
}

export async function putVersioning(call: Call): Promise<Answer> {
  const status = textOf((await checkedBody(call, 64 * 1024)).toString(), 'Status')
  if (status !== 'Enabled' && status !== 'Suspended') {
    throw new OssError('MalformedXML', 'The XML you provided was not well-formed or did not validate.')
  }
  call.bucket.versioning = status satisfies Versioning
  return {}
}

/** What OSS tells of a bucket, as far as the adapter asks: where it lies. */
export function getInfo({ bucket }: Call, region: string): Answer {
  return xmlAnswer('BucketInfo', { Bucket: { Name: bucket.name, Location: `oss-${region}` } })
}

export function getCors({ bucket }: Call): Answer {
  if (bucket.cors === undefined) throw new OssError('NoSuchCORSConfiguration', 'The CORS Configuration does not exist.')
  return rawAnswer('CORSConfiguration', bucket.cors)
}

export function getLifecycle({ bucket }: Call): Answer {
  if (bucket.lifecycle === undefined) throw new OssError('NoSuchLifecycle', 'No Row found in Lifecycle Table.')
  return rawAnswer('LifecycleConfiguration', bucket.lifecycle)
}

function rawAnswer(name: string, inner: string): Answer {
  return {
    ...xmlAnswer(name, {}),
    body: Buffer.from(`<?xml version="1.0" encoding="UTF-8"?><${name}>${inner}</${name}>`),
  }
}
