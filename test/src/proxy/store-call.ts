/** The calls of S3 that a test may want to tell apart. */
export type StoreCall =
  | 'list'
  | 'get'
  | 'head'
  | 'put'
  | 'create'
  | 'part'
  | 'complete'
  | 'abort'
  | 'list-parts'
  | 'list-uploads'
  | 'delete'
  | 'delete-many'
  | 'other'

/** What an HTTP request is as a call of S3, with the bucket in its path. */
export function callOf(
  method: string,
  target: string,
): { call: StoreCall; bucket: string; key: string; query: URLSearchParams } {
  const { pathname, searchParams: query } = new URL(target, 'http://store')
  const [, bucket = '', ...rest] = pathname.split('/')
  const key = decodeURIComponent(rest.join('/'))
  return { call: kindOf(method, key, query), bucket, key, query }
}

function kindOf(method: string, key: string, query: URLSearchParams): StoreCall {
  if (key === '') {
    if (method === 'GET' && query.get('list-type') === '2') return 'list'
    if (method === 'GET' && query.has('uploads')) return 'list-uploads'
    return method === 'POST' && query.has('delete') ? 'delete-many' : 'other'
  }
  const inUpload = query.has('uploadId')
  if (method === 'GET') return inUpload ? 'list-parts' : query.has('tagging') ? 'other' : 'get'
  if (method === 'HEAD') return 'head'
  if (method === 'PUT') return inUpload ? 'part' : query.has('tagging') ? 'other' : 'put'
  if (method === 'DELETE') return inUpload ? 'abort' : 'delete'
  if (method === 'POST' && query.has('uploads')) return 'create'
  return method === 'POST' && inUpload ? 'complete' : 'other'
}
