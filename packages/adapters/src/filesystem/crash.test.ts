import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expectCode } from '@stowage/core/testing'
import { tempDir } from '@stowage/test-support'
import { expect, it, onTestFinished } from 'vitest'
import { keysOf, patternBytes, readBytes, text } from '../testing/bytes.ts'
import { filesystem } from './index.ts'

const size = 1024 * 1024

/** Runs a program that has `disk`, and `stall(n)`: a body that says so after n bytes and then delivers nothing more. */
async function untilStalled(root: string, program: string): Promise<ChildProcess> {
  const script = `
    import { filesystem } from ${JSON.stringify(new URL('./index.ts', import.meta.url).href)}
    const disk = filesystem({ id: 'disk', root: ${JSON.stringify(root)} })
    async function* stall(bytes) {
      for (let i = 0; i < 4; i++) yield Buffer.alloc(bytes / 4, 120)
      console.log('stalled')
      await new Promise((resolve) => setTimeout(resolve, 600_000))
    }
    ${program}
  `
  const args = ['--conditions=stowage-source', '--no-warnings', '--input-type=module', '-e', script]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  const first = await Promise.race([once(child.stdout, 'data'), once(child, 'exit')])
  expect(String(first[0])).toContain('stalled')
  return child
}

async function killed(child: ChildProcess): Promise<void> {
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
}

it('a write killed with -9 leaves no object, and the old one as it was', async () => {
  const root = tempDir('root')
  const disk = filesystem({ id: 'disk', root })
  await disk.put('old', text('old'))
  for (const key of ['old', 'new']) {
    await killed(
      await untilStalled(root, `await disk.put('${key}', stall(${size}), { size: ${2 * size}, metadata: { a: '1' } })`),
    )
  }
  expect(await keysOf(disk, {})).toEqual(['old'])
  expect((await readBytes(disk, 'old')).toString()).toBe('old')
  expect((await disk.head('old')).metadata).toEqual({})
})

it('an upload killed with -9 goes on in another process from its whole parts, and is finished without a second copy', async () => {
  const root = tempDir('root')
  const disk = filesystem({ id: 'disk', root })
  const { uploadId } = await disk.multipart.create('big', { metadata: { kept: 'yes' } })
  const first = patternBytes(size, 1)
  await disk.multipart.uploadPart('big', uploadId, 1, first)
  const child = await untilStalled(
    root,
    `await disk.multipart.uploadPart('big', '${uploadId}', 2, stall(${size / 2}), { size: ${size} })`,
  )
  const folder = join(root, '.stowage-fs/uploads', uploadId)
  const { ino } = statSync(join(folder, 'data'))
  await killed(child)

  const later = filesystem({ id: 'disk', root })
  expect((await later.multipart.list('big')).map((upload) => upload.uploadId)).toEqual([uploadId])
  expect((await later.multipart.listParts('big', uploadId)).map((part) => part.partNumber)).toEqual([1])
  const [second, third] = [patternBytes(size, 2), patternBytes(100, 3)]
  await later.multipart.uploadPart('big', uploadId, 2, second)
  await later.multipart.uploadPart('big', uploadId, 3, third)
  await later.multipart.complete('big', uploadId, await later.multipart.listParts('big', uploadId), {
    ifNoneMatch: '*',
  })
  expect((await readBytes(later, 'big')).equals(Buffer.concat([first, second, third]))).toBe(true)
  expect((await later.head('big')).metadata).toEqual({ kept: 'yes' })
  expect(statSync(join(root, 'big')).ino).toBe(ino)
  expect(readdirSync(join(root, '.stowage-fs/uploads'))).toEqual([])
})

it('a part that another live process is writing cannot reach an object that was completed without it', async () => {
  const root = tempDir('root')
  const disk = filesystem({ id: 'disk', root })
  const { uploadId } = await disk.multipart.create('big')
  const first = await disk.multipart.uploadPart('big', uploadId, 1, patternBytes(size, 1))
  const program = `
    async function* slow() {
      yield Buffer.alloc(${size / 2}, 120)
      console.log('stalled')
      await new Promise((resolve) => process.once('SIGUSR2', resolve))
      yield Buffer.alloc(${size / 2}, 120)
    }
    const keep = setInterval(() => {}, 1000)
    await disk.multipart.uploadPart('big', '${uploadId}', 2, slow(), { size: ${size} }).catch(() => {})
    clearInterval(keep)
  `
  const child = await untilStalled(root, program)
  const own = patternBytes(size, 2)
  const second = await disk.multipart.uploadPart('big', uploadId, 2, own)
  await disk.multipart.complete('big', uploadId, [first, second])
  const { etag } = await disk.head('big')
  const exit = once(child, 'exit')
  child.kill('SIGUSR2')
  await exit
  expect((await disk.head('big')).etag).toBe(etag)
  expect((await readBytes(disk, 'big')).equals(Buffer.concat([patternBytes(size, 1), own]))).toBe(true)
})

it('a completion that died after the object became visible is recognised when it is called again', async () => {
  const root = tempDir('root')
  const fsp = await import('node:fs/promises')
  // What ends here is what a kill between the rename and the clean-up leaves.
  const rename: typeof fsp.rename = async (from, to) => {
    if (String(from).endsWith('.completing')) throw Object.assign(new Error('EIO: died'), { code: 'EIO' })
    await fsp.rename(from, to)
  }
  const dying = filesystem({ id: 'disk', root, fs: { ...fsp, rename } })
  const { uploadId } = await dying.multipart.create('big')
  const parts = [await dying.multipart.uploadPart('big', uploadId, 1, text('whole'))]
  await expectCode(dying.multipart.complete('big', uploadId, parts, { ifNoneMatch: '*' }), 'unavailable')
  expect((await readBytes(dying, 'big')).toString()).toBe('whole')

  const disk = filesystem({ id: 'disk', root })
  const { etag } = await disk.multipart.complete('big', uploadId, parts, { ifNoneMatch: '*' })
  expect((await disk.head('big')).etag).toBe(etag)
  expect(await disk.multipart.list('big')).toEqual([])
})

it('a lock that a killed process held does not stop others', async () => {
  const root = tempDir('root')
  const disk = filesystem({ id: 'disk', root })
  const { etag } = await disk.put('a', text('1'))
  const child = await untilStalled(
    root,
    `
    import * as fsp from 'node:fs/promises'
    const rename = async (from, to) => {
      if (to.endsWith('/a')) {
        console.log('stalled')
        await new Promise((resolve) => setTimeout(resolve, 600_000))
      }
      await fsp.rename(from, to)
    }
    const slow = filesystem({ id: 'disk', root: ${JSON.stringify(root)}, fs: { ...fsp, rename } })
    await slow.put('a', Buffer.from('2'), { ifMatch: '${etag}' })
    `,
  )
  expect(readdirSync(join(root, '.stowage-fs/locks')).length).toBe(1)
  await killed(child)
  await disk.put('a', text('3'), { ifMatch: etag })
  expect((await readBytes(disk, 'a')).toString()).toBe('3')
  expect(readdirSync(join(root, '.stowage-fs/locks'))).toEqual([])
})
