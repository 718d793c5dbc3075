import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { digestOf } from '@stowage/core'
import { expect, it } from 'vitest'
import { digestFile } from './browser.ts'

it('uploads a small and a large file, and nothing that is forged', async () => {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--conditions=stowage-source', join(import.meta.dirname, 'main.ts')],
    { env: { ...process.env, NODE_NO_WARNINGS: '1' } },
  )
  expect(stdout.split('\n')).toEqual([
    'photos/tom.jpg: 300000 bytes in one PUT, accepted',
    'film.mp4: 20000000 bytes in parts, accepted',
    'forged.jpg: integrity, not in the draft',
    'version 1: 2 files, 20300000 bytes',
    'film.mp4 read back by URL: identical',
    '',
  ])
})

it.each([0, 5, 8 * 1024 * 1024, 8 * 1024 * 1024 + 1])(
  'the digest of %d bytes is that of @stowage/core',
  async (size) => {
    const bytes = Buffer.alloc(size, 'some bytes')
    const { digest, blocks } = digestOf(bytes)
    expect(await digestFile(new Blob([bytes]))).toEqual({ digest, blocks: Buffer.from(blocks).toString('hex') })
  },
)
