import { mkdtemp, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAdaptorServer } from '@hono/node-server'
import type { Clock, StorageAdapter } from '@stowage/core'
import { testKey } from '@stowage/test-support'
import { filesystem } from '../filesystem/index.ts'
import { memory } from '../memory/index.ts'
import { type AdapterUnderTest, testAdapter } from '../testing/index.ts'
import { type PresignSettings, presignHandler } from './index.ts'

/** An adapter whose URLs a real server serves. */
async function served(make: (presign: PresignSettings, clock?: Clock) => StorageAdapter): Promise<AdapterUnderTest> {
  const secret = testKey('presign').toString('base64')
  let serve: (request: Request) => Promise<Response> = async () => new Response(null, { status: 503 })
  const server = createAdaptorServer({ fetch: (request) => serve(request) })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const settings = { baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/files`, secret }
  const adapter = make(settings)
  serve = presignHandler([adapter], settings)
  return {
    adapter,
    secret,
    createWithClock: (clock) => make(settings, clock),
    cleanup: async () => {
      await adapter.close()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

testAdapter({
  name: 'memory with presigned URLs',
  create: () =>
    served((presign, clock) => memory({ id: 'scratch', presign, ...(clock === undefined ? {} : { clock }) })),
})

testAdapter({
  name: 'filesystem with presigned URLs',
  create: async () => {
    const root = await mkdtemp(join(tmpdir(), 'stowage-fs-'))
    const under = await served((presign, clock) =>
      filesystem({ id: 'disk', root, presign, ...(clock === undefined ? {} : { clock }) }),
    )
    const cleanup = async (): Promise<void> => {
      await under.cleanup()
      await rm(root, { recursive: true, force: true })
    }
    return { ...under, cleanup }
  },
})
