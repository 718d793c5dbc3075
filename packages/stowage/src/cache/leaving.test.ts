import { type DatasetVersion, digestOf, Manifest, type ManifestEntry, writeManifest } from '@stowage/core'
import { expect, it } from 'vitest'
import { leavingKeys } from './leaving.ts'

async function manifestOf(files: Record<string, string>): Promise<Manifest> {
  const entries = Object.entries(files).map(([path, key]): ManifestEntry => {
    const { digest, size } = digestOf(Buffer.from(key))
    return { path, key, size, digest }
  })
  const objects = new Map<string, Uint8Array>()
  const { digest } = await writeManifest(entries, async (key, bytes) => void objects.set(key, bytes))
  return Manifest.open(digest, async (key) => objects.get(key) as Uint8Array)
}

it.each([
  ['called so here', { new: 'd1/old', own: 'd2/own' }, { old: 'd1/old' }],
  ['called so there', { old: 'd1/old', own: 'd2/own' }, { new: 'd1/old' }],
  ['called otherwise in both', { a: 'd1/old', own: 'd2/own' }, { y: 'd1/old' }],
])('a key that another version needs stays when its file is %s', async (_, files, others) => {
  const manifest = await manifestOf(files)
  const leaving = { version: { number: 2 } as DatasetVersion, manifest, others: [await manifestOf(others)] }
  const keys: string[] = []
  for await (const key of leavingKeys(leaving)) keys.push(key)
  expect(keys.filter((key) => !key.startsWith('.stowage/'))).toEqual(['d2/own'])
})
