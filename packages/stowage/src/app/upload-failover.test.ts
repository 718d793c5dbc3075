import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Catalog, openCatalog } from '@stowage/catalog'
import { systemClock } from '@stowage/core'
import { type OwnServer, runs, s3Request, startMinio, startProxy, tempDir, withMinio } from '@stowage/test-support'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { pattern } from '../proof/two-servers.ts'
import { createStowage } from './create.ts'
import type { Stowage } from './stowage.ts'

const MIB = 1024 * 1024
const large = runs(40, 300) * MIB
const small = runs(40, 200)
const stallMs = 1000
const bob = { userId: 'bob', userType: 'internal' } as const

await withMinio(() => {
  describe('an upload to two real servers', () => {
    let near: OwnServer
    let far: OwnServer
    let proxy: Awaited<ReturnType<typeof startProxy>>
    let catalog: Catalog
    let stowage: Stowage
    let folder: string
    let later = 0

    beforeAll(async () => {
      ;[near, far] = await Promise.all([startMinio(), startMinio()])
      proxy = await startProxy({ target: near.endpoint })
      for (const server of [near, far]) await s3Request(server, { method: 'PUT', path: '/train' })
      // The sweep waits until every request of a draft that was given up must have ended.
      const clock = { ...systemClock, now: () => Date.now() + later, sleep: systemClock.sleep }
      catalog = await openCatalog({ type: 'memory' }, { clock })
      folder = tempDir('upload')
      mkdirSync(join(folder, 'small'))
      for (let i = 0; i < small; i++) writeFileSync(join(folder, 'small', `${i}.bin`), pattern(0, 5000, i))
      writeFileSync(join(folder, 'large.bin'), pattern(0, large))
    })

    // What the case before did to the source's health is over.
    beforeEach(async () => {
      const source = (id: string, { accessKey, secretKey }: OwnServer, endpoint: string) =>
        ({ id, type: 'minio', endpoint, bucket: 'train', accessKey, secretKey }) as const
      await stowage?.close()
      stowage = await createStowage(
        {
          sources: [source('near', near, proxy.endpoint), source('far', far, far.endpoint)],
          routing: { rules: [{ id: 'near-first', then: { prefer: ['near'] } }] },
        },
        { background: false, catalog },
      )
    })

    afterAll(async () => {
      await stowage?.close()
      await catalog?.close()
      await proxy?.stop()
      await near?.stop()
      await far?.stop()
    })

    const deaths: Record<string, { die: () => unknown; recover: () => unknown }> = {
      killed: { die: () => near.kill(), recover: () => near.restart() },
      stopped: {
        die: () => process.kill(near.pid as number, 'SIGSTOP'),
        recover: () => process.kill(near.pid as number, 'SIGCONT'),
      },
      'cut off': {
        die: () => {
          proxy.refuse(true)
          proxy.closeAll()
        },
        recover: () => proxy.clear(),
      },
    }
    const stages = {
      'before it began': 0,
      'in the middle': 0.5,
      'before it was published': 1,
    }

    /** Each death at each stage at full size; otherwise each at one. */
    const cases = Object.entries(deaths).flatMap(([how, death], i) =>
      Object.entries(stages)
        .filter((_, k) => runs(1, 2) === 2 || k === i)
        .map(([when, share]) => ({ how, when, share, ...death })),
    )

    for (const { how, when, share, die, recover } of cases) {
      it(`goes elsewhere when its server is ${how} ${when}`, async () => {
        const data = await stowage.as(bob).datasets.create({ name: `${how} ${when}` })
        const total = large + small * 5000
        let dead: unknown
        let isDead = false
        let died = performance.now()
        const end = (): void => {
          died = performance.now()
          isDead = true
          dead = die()
        }
        const failovers: unknown[] = []
        const off = stowage.events.on('upload.failover', (event) => failovers.push(event))
        if (share === 0) {
          // Routing does not know of it yet.
          end()
          await dead
        }
        const uploaded = await data.upload(folder, {
          stallMs,
          onProgress: ({ bytes }) => {
            if (share > 0 && !isDead && bytes >= total * share) end()
          },
        })
        off()
        console.log(`${how} ${when}: published elsewhere ${Math.round(performance.now() - died)} ms later`)
        expect(uploaded.sourceId).toBe('far')
        expect(failovers).toMatchObject([{ from: 'near', to: 'far', draftId: uploaded.draftId }])
        const { datasets } = stowage.as(bob)
        let at = 0
        for await (const chunk of (await datasets.open(data.id, 'large.bin')).stream as AsyncIterable<Buffer>) {
          if (!chunk.equals(pattern(at, chunk.length))) throw new Error(`Wrong bytes after ${at}.`)
          at += chunk.length
        }
        expect(at).toBe(large)
        const one = (await (await datasets.open(data.id, 'small/7.bin')).stream.toArray()) as Buffer[]
        expect(Buffer.concat(one).equals(pattern(0, 5000, 7))).toBe(true)
        await dead
        await recover()
        later += 3 * 24 * 3_600_000
        const swept = await stowage.sweepDrafts()
        expect(swept.failed).toEqual([])
        const adapter = await stowage.sources.adapter('near')
        const left: string[] = []
        for (const { fromDraftId } of uploaded.failovers ?? []) {
          const key = `datasets/${data.id}/${fromDraftId}/large.bin`
          left.push(...(await adapter.multipart.list(key)).map((upload) => upload.key))
        }
        for await (const { objects } of adapter.list({ prefix: `datasets/${data.id}/` })) {
          left.push(...objects.map(({ key }) => key))
        }
        // What was written beside the drafts is the same for every version of the dataset.
        expect(left.filter((key) => !key.includes('/.stowage/'))).toEqual([])
      })
    }
  })
})
