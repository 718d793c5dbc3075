import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { BLOCK_SIZE, digestOf } from '@stowage/core'
import { Life, seededRandom } from '@stowage/core/testing'
import { runs, tempDir, testSeed } from '@stowage/test-support'
import { describe, expect, it } from 'vitest'
import type { Context } from '../../app/context.ts'
import { materialize } from './materialize.ts'
import type { MaterializeOptions } from './options.ts'
import { bytesOf, mortalFs, type Published, published, wrongFiles } from './testing.ts'

type Files = Record<string, Buffer>
const small: Files = { 'a/b/c.txt': bytesOf(3000, 1), 'a/same.txt': bytesOf(3000, 1), 'd.bin': Buffer.alloc(0) }
/** With a file of two blocks. */
const large: Files = { ...small, 'e.bin': bytesOf(BLOCK_SIZE + 500, 2) }

/** What lies in the cache under a name that is not its own. */
function wrongInCache(cacheDir: string): string[] {
  const objects = join(cacheDir, 'objects')
  try {
    return readdirSync(objects, { recursive: true, encoding: 'utf8' }).filter((name) => {
      if (!name.includes('.')) return false
      const { digest, size } = digestOf(readFileSync(join(objects, name)))
      return name !== join(digest.slice(0, 2), `${digest}.${size}`)
    })
  } catch {
    return []
  }
}

/** So much later that nobody takes what died for a process at work. */
function later(context: Context, ms = 7_200_000): Context {
  return { ...context, clock: { ...context.clock, now: () => Date.now() + ms } }
}

async function attack(
  { context, place }: Published,
  files: Files,
  root: string,
  options: Partial<MaterializeOptions>,
  calls: number,
  effect: boolean,
): Promise<boolean> {
  const dir = join(root, 'dir')
  const given = { dir, cacheDir: join(root, 'cache'), ...options }
  const life = new Life(calls, effect)
  const error = await materialize(context, place, given, mortalFs(life)).catch((thrown: Error) => thrown)
  if (!life.dead) return false
  const where = `call ${calls}, ${life.last}, ${effect ? 'done' : 'not done'}: ${String(error)}`
  expect(await wrongFiles(dir, files), where).toEqual([])
  expect(wrongInCache(given.cacheDir), where).toEqual([])
  const again = await materialize(later(context), place, given).catch((thrown: Error) => {
    throw new Error(`${where}, then ${String(thrown)}`, { cause: thrown })
  })
  expect(again.files, where).toBe(Object.keys(files).length)
  expect(await wrongFiles(dir, files), where).toEqual([])
  expect(wrongInCache(given.cacheDir), where).toEqual([])
  // Nothing stays behind: not in the folder, and no part of a file in the cache.
  expect(readdirSync(dir).sort(), where).toEqual(
    ['.stowage-version.json', ...new Set(Object.keys(files).map((name) => name.split('/')[0] as string))].sort(),
  )
  expect(readdirSync(join(given.cacheDir, 'partial')), where).toEqual([])
  return true
}

describe('a materialization that dies at any call of the operating system', () => {
  const cases = [
    { name: 'links', link: 'auto', files: small, step: 1 },
    { name: 'copies', link: 'copy', files: small, step: 1 },
    { name: 'links of a large file', link: 'auto', files: large, step: runs(7, 1) },
    { name: 'copies of a large file', link: 'copy', files: large, step: runs(11, 1) },
  ] as const
  for (const { name, link, files, step } of cases) {
    it(`leaves nothing half or wrong, and the next one goes on from there: ${name}`, async () => {
      const version = await published(files)
      const root = tempDir('crash')
      let calls = 0
      for (let alive = true; alive; ) {
        calls += step
        for (const effect of [false, true]) {
          alive = await attack(version, files, root, { link, concurrency: 1 }, calls, effect)
          rmSync(root, { recursive: true, force: true })
        }
      }
      console.log(`${name}: died at ${Math.floor(calls / step) - 1} places of ${calls - step} calls`)
      expect(calls).toBeGreaterThan(40)
    }, 600_000)
  }

  it('also when many files are under way, and it dies again and again', async () => {
    const files = runs(small, large)
    const version = await published(files)
    const random = seededRandom(testSeed())
    for (let run = 0; run < runs(10, 300); run++) {
      const root = tempDir('crashes')
      for (let deaths = 0; deaths < 4; deaths++) {
        const given = { dir: join(root, 'dir'), cacheDir: join(root, 'cache') }
        const life = new Life(1 + Math.floor(random.next() * 80), random.next() < 0.5)
        await materialize(later(version.context), version.place, given, mortalFs(life)).catch(() => undefined)
        expect(await wrongFiles(given.dir, files)).toEqual([])
        expect(wrongInCache(given.cacheDir)).toEqual([])
      }
      const link = random.next() < 0.5 ? 'auto' : 'copy'
      await attack(version, files, root, { link }, 1 + Math.floor(random.next() * 80), random.next() < 0.5)
      rmSync(root, { recursive: true, force: true })
    }
  }, 600_000)
})

describe('two at once', () => {
  it('into one cache and one folder, in every order of their calls', async () => {
    const random = seededRandom(testSeed())
    const files = runs(small, large)
    const count = Object.keys(files).length
    const version = await published(files)
    for (let run = 0; run < runs(15, 500); run++) {
      const root = tempDir('two')
      const cacheDir = join(root, 'cache')
      // Each call waits for some turns of the event loop; the second takes what the first is at work on for left behind.
      const slow = {
        call: <T>(_: string, work: () => T | Promise<T>) => turns(Math.floor(random.next() * 4)).then(work),
      }
      const made = await Promise.all([
        materialize(version.context, version.place, { dir: join(root, 'one'), cacheDir }, mortalFs(slow)),
        materialize(
          later(version.context, 60_000),
          version.place,
          { dir: join(root, 'one'), cacheDir },
          mortalFs(slow),
        ),
        materialize(
          later(version.context, 60_000),
          version.place,
          { dir: join(root, 'two'), cacheDir },
          mortalFs(slow),
        ),
      ])
      expect(made.map((one) => one.files)).toEqual([count, count, count])
      for (const dir of ['one', 'two']) expect(await wrongFiles(join(root, dir), files)).toEqual([])
      expect(wrongInCache(cacheDir)).toEqual([])
      // What lost a race may lie there until the next run.
      await materialize(later(version.context), version.place, { dir: join(root, 'three'), cacheDir })
      expect(readdirSync(join(cacheDir, 'partial'))).toEqual([])
      rmSync(root, { recursive: true, force: true })
    }
  }, 600_000)
})

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
}
