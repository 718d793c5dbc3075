/**
 * A page uploads straight to the store, by signed URLs, and what it sent is in the dataset only once it was read and found right.
 *
 *   node examples/browser-upload/main.ts
 */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { presignHandler } from '@stowage/adapters/filesystem'
import { createStowage } from 'stowage'
import { uploadApi } from './api.ts'
import { digestFile, uploadFile } from './browser.ts'
import { serve } from './serve.ts'

const root = await mkdtemp(join(tmpdir(), 'stowage-browser-'))
let handler = async (_: Request): Promise<Response> => new Response(null, { status: 503 })
const server = await serve((request) => handler(request))
// A folder signs URLs too, which we serve; with a bucket they lead to the bucket itself.
const presign = { baseUrl: `${server.url}/files`, secret: randomBytes(32).toString('base64') }
const stowage = await createStowage({
  sources: [{ id: 'disk', type: 'filesystem', root, isPublic: true, presign }],
})
try {
  const ada = stowage.as({ userId: 'ada', userType: 'external' })
  const cats = await ada.datasets.create({ name: 'cats' })
  const { draft } = await cats.draft()
  const files = presignHandler([await stowage.sources.adapter('disk')], presign)
  const api = uploadApi(cats, draft)
  handler = (request) => (new URL(request.url).pathname.startsWith('/files/') ? files(request) : api(request))

  const photo = new Blob([randomBytes(300_000)])
  await uploadFile(`${server.url}/api`, 'photos/tom.jpg', photo)
  console.log(`photos/tom.jpg: ${photo.size} bytes in one PUT, accepted`)

  const film = new Blob([randomBytes(20_000_000)])
  await uploadFile(`${server.url}/api`, 'film.mp4', film)
  console.log(`film.mp4: ${film.size} bytes in parts, accepted`)

  const { digest } = await digestFile(photo)
  const signed = await draft.signUpload('forged.jpg', { size: photo.size, digest })
  const forged = randomBytes(photo.size)
  if (signed.kind === 'single') await fetch(signed.request.url, { ...signed.request, body: forged })
  await draft.acceptUpload('forged.jpg').catch((error) => console.log(`forged.jpg: ${error.code}, not in the draft`))

  const version = await cats.publish(draft, { message: 'from a browser' })
  console.log(`version ${version.number}: ${version.fileCount} files, ${version.size} bytes`)
  const { alternatives } = await ada.datasets.access(cats.id, { mode: 'url', path: 'film.mp4' })
  const back = await (await fetch(alternatives[0]?.url ?? '')).blob()
  const same = (await digestFile(back)).digest === (await digestFile(film)).digest
  console.log(`film.mp4 read back by URL: ${same ? 'identical' : 'DIFFERENT'}`)
} finally {
  await stowage.close()
  await server.stop()
  await rm(root, { recursive: true, force: true })
}
