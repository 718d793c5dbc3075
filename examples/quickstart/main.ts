/**
 * The main job, from nothing, in seconds: the three upload and read scenarios on two folders.
 *
 *   npm run quickstart              two folders
 *   npm run quickstart -- --minio   the inside source is a real MinIO server
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createStowage, type DatasetHandle, explain, type Stowage } from 'stowage'
import { folderInside, type Inside, minioInside } from './inside.ts'
import { LARGE_FILE, writeSample } from './sample.ts'
import { bar, block, heading, line, mib } from './show.ts'

const started = Date.now()
const scratch = await mkdtemp(join(tmpdir(), 'stowage-quickstart-'))
let inside: Inside | undefined
let stowage: Stowage | undefined
try {
  await mkdir(join(scratch, 'oss-public'))
  inside = process.argv.includes('--minio') ? await minioInside() : await folderInside(scratch)
  stowage = await createStowage(
    {
      sources: [
        {
          id: 'oss-public',
          type: 'filesystem',
          root: join(scratch, 'oss-public'),
          isPublic: true,
          region: 'cn-hangzhou',
          priority: 10,
        },
        inside.source,
      ],
      catalog: { type: 'sqlite', path: join(scratch, 'catalog.db') },
      routing: { regions: { distances: { 'cn-hangzhou': { 'cn-shenzhen': 30 } } } },
      policies: [
        { id: 'inward', on: 'publish', from: 'oss-public', to: 'minio-inside' },
        { id: 'backup', on: 'publish', from: 'minio-inside', to: 'oss-public', tags: ['keep'] },
      ],
    },
    { background: false },
  )
  const sample = join(scratch, 'cats')
  const { files, bytes } = await writeSample(sample)

  heading('Scenario 1: an external user uploads; training reads from the inside, even while it breaks')
  const cats = await uploadFromOutside(stowage, sample, files, bytes)
  await syncInward(stowage)
  await readWhileItBreaks(stowage, cats, sample, inside)

  heading('Scenario 2: an internal user uploads; it goes straight inside, and a policy backs it up')
  await uploadFromInside(stowage, sample)

  heading('Scenario 3: a node asks for a dataset and gets the nearest copy, with alternatives')
  await askFromNodes(stowage, cats)

  heading('Summary')
  await summary(stowage)
  line(`done in ${((Date.now() - started) / 1000).toFixed(1)} s; the scratch folder is removed again`)
} finally {
  await stowage?.close()
  await inside?.stop()
  await rm(scratch, { recursive: true, force: true })
}

async function uploadFromOutside(app: Stowage, folder: string, files: number, bytes: number): Promise<DatasetHandle> {
  line(`a sample dataset: ${files} files, ${mib(bytes)}, the largest ${LARGE_FILE}`)
  const ada = app.as({ userId: 'ada', userType: 'external' })
  const cats = await ada.datasets.create({ name: 'cats' })
  const progress = bar('upload')
  const uploaded = await cats.upload(folder, { onProgress: (p) => progress.update(p.bytes, p.totalBytes, p.rate) })
  progress.end()
  line(`version ${uploaded.version.number} published on ${uploaded.sourceId}, its primary replica`)
  return cats
}

async function syncInward(app: Stowage): Promise<void> {
  const progress = bar('sync')
  const [task] = await app.runPolicies({ onProgress: (p) => progress.update(p.bytes, p.totalBytes, p.rate) })
  progress.end()
  if (task?.status !== 'success') throw new Error(`the sync ended as ${task?.status}`)
  line(
    `policy "${task.policyId}": ${task.objects.copied} files to ${task.to}, every digest verified (task ${task.taskId})`,
  )
}

async function readWhileItBreaks(app: Stowage, cats: DatasetHandle, folder: string, source: Inside): Promise<void> {
  const node = app.as({ workspaceId: 'w7', region: 'cn-shenzhen' })
  const small = await node.datasets.open(cats.id, 'train/0/0000.jpg')
  const [from] = small.decision.candidates
  line(
    `train/0/0000.jpg comes from ${from?.sourceId}: ${(await digest(small.stream)) === (await fileDigest(folder, small.path)) ? 'identical' : 'DIFFERENT'}`,
  )

  const view = await cats.show()
  const replica = view.replicas.find((one) => one.sourceId === 'minio-inside')
  let key = ''
  for await (const entry of node.datasets.files(cats.id, { prefix: LARGE_FILE })) key = `${replica?.path}${entry.key}`
  const large = await node.datasets.open(cats.id, LARGE_FILE)
  const hash = createHash('sha256')
  let read = 0
  let broken = false
  for await (const chunk of large.stream) {
    hash.update(chunk)
    read += chunk.length
    if (!broken && read >= 16 * 1024 * 1024) {
      broken = true
      line(`${LARGE_FILE}: after ${mib(read)} from minio-inside ${source.how}`)
      await source.break(key)
    }
  }
  for (const { from: left, to, offset, code } of large.failovers)
    line(`${left} failed [${code}]; ${to} goes on at byte ${offset}`)
  const same = hash.digest('hex') === (await fileDigest(folder, LARGE_FILE))
  line(`read ${mib(read)} to the end: ${same ? 'identical by digest' : 'DIFFERENT'}`)
  if (!same || large.failovers.length === 0) throw new Error('the read did not survive its source')
  line('the decision it was made by:')
  block(explain(large.decision))
  await source.mend()
  for (const { id } of app.sources.list()) await app.sources.probe(id)
}

async function uploadFromInside(app: Stowage, folder: string): Promise<void> {
  const bob = app.as({ userId: 'bob', userType: 'internal' })
  const labels = await bob.datasets.create({ name: 'cat-labels', tags: ['keep'] })
  const uploaded = await labels.upload(join(folder, 'labels'))
  line(`version ${uploaded.version.number} published on ${uploaded.sourceId}: ${uploaded.version.fileCount} files`)
  for (const task of await app.runPolicies())
    line(`policy "${task.policyId}": ${task.objects.copied} files to ${task.to}, ${task.status}`)
}

async function askFromNodes(app: Stowage, cats: DatasetHandle): Promise<void> {
  for (const region of ['cn-shenzhen', 'cn-hangzhou']) {
    const node = app.as({ workspaceId: 'w7', region })
    const file = await node.datasets.open(cats.id, 'README.md')
    await digest(file.stream)
    line(`a node in ${region} reads from ${file.decision.candidates.map((one) => one.sourceId).join(', then ')}`)
  }
  const node = app.as({ workspaceId: 'w7', region: 'cn-shenzhen' })
  for (const mode of ['url', 'mount'] as const) {
    const access = await node.datasets.access(cats.id, { mode, path: 'README.md' }).catch(() => undefined)
    for (const one of access?.alternatives ?? [])
      line(`${mode} from ${one.sourceId}: ${(one.url ?? one.mountPath)?.replace(/\?.*/, '?…')}`)
  }
}

async function summary(app: Stowage): Promise<void> {
  const { datasets } = app.as({ userId: 'ada' })
  for (const { id, name } of await datasets.list()) {
    const view = await (await datasets.get(id)).show()
    const where = view.replicas
      .map((one) => `${one.sourceId}${one.isPrimary ? ' (primary)' : ''} ${one.status}`)
      .join(', ')
    line(`${name}: version ${view.version}, ${view.fileCount} files, ${mib(view.size)}, ${view.status}; ${where}`)
  }
  for (const task of await app.tasks.list())
    line(`task ${task.id}: ${task.sourceId} -> ${task.targetId} ${task.status}, ${mib(task.transferredSize)}`)
}

async function digest(stream: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of stream) hash.update(chunk)
  return hash.digest('hex')
}

async function fileDigest(folder: string, path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(join(folder, path)), hash)
  return hash.digest('hex')
}
