import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { filesystem, presignHandler } from '@stowage/adapters/filesystem'
import { digestOf } from '@stowage/core'
import { tempDir, testKey } from '@stowage/test-support'
import { expect, it } from 'vitest'
import { runIn } from './testing.ts'

function world() {
  const cwd = tempDir('uploads')
  const root = join(cwd, 'a')
  mkdirSync(root)
  const presign = { baseUrl: 'http://files.example/objects', secret: testKey('presign').toString('base64') }
  const sources = [{ id: 'a', type: 'filesystem', root: './a', isPublic: true, presign }]
  const catalog = { type: 'sqlite', path: './catalog.db' }
  writeFileSync(join(cwd, 'stowage.config.json'), JSON.stringify({ sources, catalog }))
  const serve = presignHandler([filesystem({ id: 'a', root, presign })], presign)
  const send = async (request: { url: string; headers: Record<string, string> }, body: Buffer) => {
    const headers = { ...request.headers, 'content-length': String(body.length) }
    return (await serve(new Request(request.url, { method: 'PUT', headers, body: Uint8Array.from(body) }))).status
  }
  const stowage = (...args: string[]) => runIn(cwd, args)
  return { root, send, stowage }
}

it('signs, accepts and publishes a file, refuses another one, and sweeps', async () => {
  const { root, send, stowage } = world()
  const bytes = Buffer.from('meow')
  const { digest } = digestOf(bytes)
  await stowage('dataset', 'create', 'cats')
  const signing = ['dataset', 'sign', 'cats', "tom's.txt", '--size', '4', '--digest', digest]
  const signed = await stowage(...signing, '--json')
  expect(signed).toMatchObject({ code: 0, json: { kind: 'single', size: 4, request: { method: 'PUT' } } })
  const accepting = ['dataset', 'accept', 'cats', "tom's.txt", '--draft', signed.json.draftId]
  expect(await stowage(...accepting, '--json')).toMatchObject({ code: 1, json: { error: { code: 'not-found' } } })
  expect(await send(signed.json.request, Buffer.from('MEOW'))).toBe(200)
  expect(await stowage(...accepting, '--json')).toMatchObject({ code: 1, json: { error: { code: 'integrity' } } })

  const again = await stowage(...signing, '--draft', signed.json.draftId)
  expect(again.stdout).toMatch(
    /^draft \w{26}\ncurl -f -T FILE -H 'content-type: text\/plain.*' 'http:\/\/files\.example/,
  )
  const url = await stowage(...signing, '--draft', signed.json.draftId, '--json')
  expect(await send(url.json.request, bytes)).toBe(200)
  const published = await stowage(...accepting, '--publish', '--message', 'sent by URL')
  expect(published).toMatchObject({ code: 0, stdout: "tom's.txt: 4 B, digest verified; published version 1\n" })

  const other = await stowage(...signing.with(3, 'b'), '--json')
  expect(await send(other.json.request, bytes)).toBe(200)
  const early = await stowage('dataset', 'sweep', '--older-than', '0.001', '--json')
  // Its URL is still good.
  expect(early).toMatchObject({ code: 0, json: { uploads: 0, objects: 0, drafts: [], failed: [] } })
  expect(readdirSync(join(root, 'datasets'))).toHaveLength(1)
  expect((await stowage('dataset', 'sign', 'cats', 'x', '--size', '4', '--digest', 'no')).code).not.toBe(0)
})
