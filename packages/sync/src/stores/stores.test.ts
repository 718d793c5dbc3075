import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { testSyncStore } from '@stowage/core/testing'
import { describe, expect, it } from 'vitest'
import { fileStore, memoryStore } from './index.ts'

testSyncStore({
  name: 'memory',
  batches: true,
  create: async () => ({ store: memoryStore(), cleanup: async () => {} }),
})

testSyncStore({
  name: 'files',
  create: async () => {
    const folder = await mkdtemp(join(tmpdir(), 'stowage-sync-'))
    return {
      store: fileStore(folder),
      reopen: async () => fileStore(folder),
      cleanup: () => rm(folder, { recursive: true, force: true }),
    }
  },
})

describe('a file store', () => {
  it('takes over the locks of a dead process, and only one of many does', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'stowage-sync-'))
    try {
      await fileStore(folder).put('k', new Uint8Array([1]), null)
      const dead = { host: 'h', bootId: 'b', pid: 1, startTime: '1' }
      for (let i = 0; i < 16; i++) {
        await writeFile(join(folder, 'locks', `${i}`), JSON.stringify({ nonce: `dead${i}`, owner: dead }))
      }
      const owner = { identity: { ...dead, pid: 2 }, isDead: (other: { pid: number }) => other.pid === 1 }
      const writers = Array.from({ length: 20 }, () =>
        fileStore(folder, { owner }).put('new', new Uint8Array([2]), null),
      )
      const results = await Promise.allSettled(writers)
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      expect((await readdir(join(folder, 'tmp'))).length).toBe(0)
      const locks = await readdir(join(folder, 'locks'))
      expect(locks.filter((name) => name.includes('.'))).toEqual([])
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
})
