import type { Call } from './call.ts'
import { OssError } from './errors.ts'
import type { Attributes } from './store.ts'

const storageClasses = ['Standard', 'IA', 'Archive', 'ColdArchive', 'DeepColdArchive']

/** What the headers of a write ask for. @throws OssError `InvalidArgument`, `InvalidTag`, `InvalidEncryptionAlgorithmError` */
export function attributesOf(call: Call): Attributes {
  return { storageClass: storageClassOf(call), tags: tagsOf(call), encryption: encryptionOf(call) }
}

function storageClassOf({ request }: Call): string {
  const name = request.header('x-oss-storage-class') ?? 'Standard'
  if (storageClasses.includes(name)) return name
  throw new OssError('InvalidArgument', 'The storage class you specified is invalid.', {
    ArgumentName: 'x-oss-storage-class',
    ArgumentValue: name,
  })
}

function tagsOf({ request }: Call): ReadonlyMap<string, string> {
  const text = request.header('x-oss-tagging')
  if (text === undefined || text === '') return new Map()
  const pairs = text.split('&').map((pair) => pair.split('='))
  if (pairs.some((pair) => pair.length > 2)) throw badTag('The tag must be in the form of key or key=value.')
  return checkedTags(pairs.map(([name = '', value = '']): [string, string] => [decoded(name), decoded(value)]))
}

/** https://www.alibabacloud.com/help/en/oss/user-guide/object-tagging-8. @throws OssError `InvalidTag` */
export function checkedTags(pairs: readonly (readonly [string, string])[]): ReadonlyMap<string, string> {
  if (pairs.length > 10) throw badTag('Object tags cannot be greater than 10.')
  const tags = new Map(pairs)
  if (tags.size < pairs.length) throw badTag('Cannot provide multiple tags with the same key.')
  for (const [name, value] of tags) {
    if (name === '' || name.length > 128 || value.length > 256) throw badTag('The length of the tag is invalid.')
    if (!/^[a-zA-Z0-9 +\-=._:/]*$/.test(name + value)) throw badTag('The tag has characters that are not allowed.')
  }
  return tags
}

function encryptionOf({ request }: Call): Readonly<Record<string, string>> {
  const [name, id] = ['x-oss-server-side-encryption', 'x-oss-server-side-encryption-key-id']
  const [method, keyId] = [request.header(name), request.header(id)]
  if (method === undefined && keyId === undefined) return {}
  if (method === undefined || !['AES256', 'KMS', 'SM4'].includes(method)) {
    throw new OssError('InvalidEncryptionAlgorithmError', 'The encryption request you specified is not valid.')
  }
  if (keyId !== undefined && method !== 'KMS') throw new OssError('InvalidArgument', 'A key id is only for KMS.')
  return { [name]: method, ...(keyId === undefined ? {} : { [id]: keyId }) }
}

function badTag(message: string): OssError {
  return new OssError('InvalidTag', message)
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    throw badTag('The tag is not encoded in UTF-8.')
  }
}
