import { StowageError } from '@stowage/core'
import type { DatasetHandle, OpenDraft } from 'stowage'

/** Parts of 8 MiB, so that the example has some; the default of 64 MiB is right for most. */
const PART_SIZE = 8 * 1024 * 1024

/** A path in a dataset, as it came from outside. */
interface Body {
  path?: unknown
  size?: unknown
  digest?: unknown
  blocks?: unknown
  first?: unknown
}

/** What a page asks of our program. Whoever may upload is to be found out here, before anything else. */
export function uploadApi(dataset: DatasetHandle, draft: OpenDraft): (request: Request) => Promise<Response> {
  const routes: Record<string, (body: Body) => Promise<object>> = {
    '/api/sign': ({ path, size, digest, blocks }) =>
      draft.signUpload(String(path), {
        size: Number(size),
        digest: String(digest),
        blocks: Buffer.from(String(blocks), 'hex'),
        partSize: PART_SIZE,
        expiresIn: 900,
      }),
    '/api/parts': ({ path, first }) => draft.signParts(String(path), { first: Number(first), missing: true }),
    '/api/accept': ({ path }) => draft.acceptUpload(String(path)),
    '/api/publish': () => dataset.publish(draft),
  }
  return async (request) => {
    const route = routes[new URL(request.url).pathname]
    if (route === undefined) return new Response(null, { status: 404 })
    try {
      return Response.json(await route((await request.json()) as Body))
    } catch (error) {
      if (StowageError.isInstance(error)) return Response.json(error, { status: 400 })
      throw error
    }
  }
}
