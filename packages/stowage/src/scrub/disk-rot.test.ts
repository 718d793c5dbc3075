import { readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openCatalog } from '@stowage/catalog'
import { systemClock } from '@stowage/core'
import { type FreshBucket, freshBucket, type TestServer, tempDir, withMinio } from '@stowage/test-support'
import { describe, expect, it } from 'vitest'
import { createStowage } from '../app/create.ts'
import type { Stowage } from '../app/stowage.ts'
import { ada, bytesOfBlocks } from './testing.ts'

const files: Record<string, Buffer> = {
  'inline/small': Buffer.from('small enough to lie in the metadata'.repeat(20)),
  'part/middle': bytesOfBlocks(0, 700_000),
  'parts/large': bytesOfBlocks(2, 99),
}

/** All files below a folder. */
function below(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
}

function flip(path: string, at: number): void {
  const bytes = readFileSync(path)
  const place = at < 0 ? bytes.length + at : at
  bytes[place] = (bytes[place] ?? 0) ^ 0x40
  writeFileSync(path, bytes)
}

/** Damages of what a server keeps on its disk for an object, by the folder that holds it. */
const damages: [string, string, (folder: string) => void][] = [
  ['a flipped byte in a part', 'part/middle', (f) => flip(partOf(f), 350_000)],
  ['a flipped byte in a part of a multipart object', 'parts/large', (f) => flip(partOf(f), 40_000)],
  ['a flipped byte in data beside the metadata', 'inline/small', (f) => flip(join(f, 'xl.meta'), -20)],
  ['a truncated part', 'part/middle', (f) => truncateSync(partOf(f), 1000)],
  ['a lost part', 'parts/large', (f) => rmSync(partOf(f))],
  ['an object that is gone', 'inline/small', (f) => rmSync(f, { recursive: true })],
]

function partOf(folder: string): string {
  const part = below(folder).find((path) => path.endsWith('part.1'))
  if (part === undefined) throw new Error(`no part in ${folder}: ${below(folder).join()}`)
  return part
}

interface World {
  stowage: Stowage
  id: string
  /** Where the server keeps the object of this path. */
  folderOf(path: string): string
  time: { offset: number }
}

async function world(server: TestServer, bucket: FreshBucket): Promise<World> {
  const time = { offset: 0 }
  const clock = { now: () => Date.now() + time.offset, sleep: systemClock.sleep }
  const catalog = await openCatalog({ type: 'memory' }, { clock })
  const { endpoint, accessKey, secretKey, region, dataDir } = server
  const open = () =>
    createStowage(
      {
        sources: [
          { id: 'disk', type: 'filesystem', root: tempDir('primary'), isPublic: true },
          {
            id: 'lan',
            type: 'minio',
            endpoint,
            accessKey,
            secretKey,
            region,
            bucket: bucket.name,
            pathStyle: true,
            attempts: 1,
          },
        ],
      },
      { background: false, catalog, clock },
    )
  const stowage = await open()
  const cats = await stowage.as(ada).datasets.create({ name: 'cats' })
  const { draft } = await cats.draft()
  for (const [path, bytes] of Object.entries(files)) await draft.put(path, bytes)
  const { number } = await cats.publish(draft)
  const copied = await stowage.replicate(cats.id, number, 'lan')
  expect(copied.status).toBe('success')
  const folderOf = (path: string) => {
    const all = below(join(dataDir ?? '', bucket.name)).find((file) => file.includes(`/${path}/`))
    if (all === undefined) throw new Error(`no ${path}`)
    return all.slice(0, all.indexOf(`/${path}/`) + path.length + 1)
  }
  return { stowage, id: cats.id, folderOf, time }
}

await withMinio((server) => {
  describe('on the disk of MinIO', () => {
    it.each(damages)('%s is found and mended', async (_, path, damage) => {
      const bucket = await freshBucket(server)
      const { stowage, id, folderOf } = await world(server, bucket)
      expect(await stowage.verifyDataset(id)).toMatchObject({ clean: true, files: 6 })
      const folder = folderOf(path)
      expect(statSync(folder).isDirectory()).toBe(true)
      damage(folder)
      const found = await stowage.verifyDataset(id)
      expect(found.clean).toBe(false)
      expect(found.findings).toHaveLength(1)
      const mended = await stowage.verifyDataset(id, { repair: true })
      expect(mended).toMatchObject({ clean: true, mended: 1 })
      const only = await stowage.verifyDataset(id, { sourceId: 'lan' })
      expect(only).toMatchObject({ clean: true, bad: 0, unread: 0, files: 3 })
      await stowage.close()
    })

    it('metadata that MinIO itself cannot read is told and marked, and read from elsewhere', async () => {
      const bucket = await freshBucket(server)
      const { stowage, id, folderOf } = await world(server, bucket)
      writeFileSync(join(folderOf('part/middle'), 'xl.meta'), 'rubbish')
      // It takes neither a write nor a delete of such a key (measured): only its own healing, or the disk's owner, can.
      const found = await stowage.verifyDataset(id, { repair: true })
      expect(found).toMatchObject({ clean: false, bad: 1, mended: 0 })
      expect(found.findings).toMatchObject([{ kind: 'unreadable', lost: false, sourceId: 'lan' }])
      const failovers: string[] = []
      stowage.events.on('read.failover', ({ from }) => failovers.push(from))
      const file = await stowage.as({ userType: 'internal' }).datasets.open(id, 'part/middle')
      for await (const _ of file.stream) {
        // Read to its end.
      }
      expect(failovers).toEqual([])
      await stowage.close()
    })

    it('the rot that MinIO finds itself is tried again for hours before it is taken for rot', async () => {
      const bucket = await freshBucket(server)
      const { stowage, id, folderOf, time } = await world(server, bucket)
      time.offset += 25 * 86_400_000
      flip(partOf(folderOf('part/middle')), 350_000)
      expect(await stowage.scrub()).toMatchObject({ bad: 0, unread: 1, findings: [{ kind: 'unread' }] })
      let mended = 0
      for (let tries = 0; tries < 8 && mended === 0; tries++) {
        time.offset += 3_600_000
        mended += (await stowage.scrub({ sourceId: 'lan' })).mended
      }
      expect(mended).toBe(1)
      expect(await stowage.verifyDataset(id)).toMatchObject({ clean: true })
      await stowage.close()
    })
  })
})
