import type { ListOptions, ListPage } from '@stowage/core'
import { listPages } from '../shared/index.ts'
import type { S3Context } from './objects.ts'

/** The pages of a listing, whatever position it begins at. */
export async function* listObjects({ adapter, connection }: S3Context, options: ListOptions): AsyncGenerator<ListPage> {
  connection.begin(options.signal)
  yield* listPages(
    {
      adapter,
      bucket: connection.bucket,
      protocol: 'S3',
      ask: (question, signal) => connection.data({ signal }, (path, flow) => path.page(question, flow)),
    },
    options,
  )
}
