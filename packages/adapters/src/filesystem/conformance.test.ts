import type { PathLike } from 'node:fs'
import * as fsp from 'node:fs/promises'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AdapterUnderTest, testAdapter } from '../testing/index.ts'
import { type FilesystemOptions, filesystem } from './index.ts'

async function create(options: Partial<FilesystemOptions> = {}): Promise<AdapterUnderTest> {
  const root = await mkdtemp(join(tmpdir(), 'stowage-fs-'))
  const locked = new Set<string>()
  const unlink = async (path: PathLike): Promise<void> => {
    if (locked.has(String(path))) throw Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' })
    await fsp.unlink(path)
  }
  return {
    adapter: filesystem({ id: 'disk', root, fs: { ...fsp, unlink }, ...options }),
    cleanup: () => fsp.rm(root, { recursive: true, force: true }),
    createMissing: () => filesystem({ id: 'disk', root: join(root, 'no-such-folder'), ...options }),
    lockKey: async (key) => {
      locked.add(join(root, key))
      return async () => {
        locked.delete(join(root, key))
      }
    },
  }
}

testAdapter({ name: 'filesystem', create })
testAdapter({ name: 'filesystem that flushes to the disk', create: () => create({ durability: 'power' }) })
