import { spawnSync } from 'node:child_process'
import { setTimeout as wait } from 'node:timers/promises'
import { seededRandom } from '@stowage/core/testing'
import {
  createMinioUser,
  type HttpAnswer,
  type MinioPolicy,
  runCli,
  setMinioPolicy,
  startMinio,
  testSeed,
  withMinio,
} from '@stowage/test-support'
import { describe, expect, it, onTestFinished } from 'vitest'
import { filled, KIB, MIB, refusal, type Stage, stage } from './stage.ts'

const partSize = 5 * MIB
const parts = ['--part-size', String(partSize)]

function tree(small: number): Record<string, Buffer> {
  const all: Record<string, Buffer> = { 'in/large': filled(2 * partSize + 9, 'large') }
  for (let i = 0; i < small; i++) all[`in/small-${i}`] = filled(1 + ((i * 977) % (20 * KIB)), `small ${i}`)
  return all
}

/** Every fifth call of the data, or so, is refused. Returns how many were. */
function refuseAFifth(here: Stage, run = 0): () => number {
  const random = seededRandom(testSeed() + run)
  let refused = 0
  for (const { proxy } of [here.from, here.to]) {
    proxy.reset()
    proxy.rule = () => {
      if (random.next() >= 0.2) return undefined
      refused++
      return { answer: refusal(503, 'SlowDownWrite') }
    }
  }
  return () => refused
}

/** How often each object was put, each part sent; or only those that the store took. */
function tries(here: Stage, taken = false): Map<string, number> {
  const counts = new Map<string, number>()
  for (const { call, key, query, status } of here.to.proxy.calls) {
    if ((call !== 'put' && call !== 'part') || (taken && status !== 200)) continue
    const what = `${key} ${query.get('uploadId')} ${query.get('partNumber')}`
    counts.set(what, (counts.get(what) ?? 0) + 1)
  }
  return counts
}

await withMinio((server) => {
  describe('a fifth of all requests refused with 503', () => {
    it('the request is tried again, up to three times, and the run is a success', async () => {
      const here = await stage({ to: server })
      await here.from.fill(tree(120))
      const refused = refuseAFifth(here)
      expect(await here.sync(...parts)).toMatchObject({ code: 0, json: { objects: { copied: 121, failed: 0 } } })
      const calls = here.from.proxy.calls.length + here.to.proxy.calls.length
      expect(refused()).toBeGreaterThan(calls / 10)
      // At most three requests at each of three tries of an object; and all of it costs little more than what was refused.
      expect(Math.max(...tries(here).values())).toBeLessThanOrEqual(9)
      expect(calls - refused()).toBeLessThanOrEqual(2 * 121 + 2 * 3 + 12 + refused() / 2)
      await here.expectSame()
    })

    it('without that, the object is, up to three times, and then the task: what is there is not sent again', async () => {
      const here = await stage({ to: server, source: { attempts: 1 } })
      await here.from.fill(tree(120))
      const taken = new Set<string>()
      let runs = 0
      for (;;) {
        refuseAFifth(here, runs)
        const { code, json } = await here.sync(...parts)
        runs++
        for (const [what, times] of tries(here, true)) {
          expect([what, times, taken.has(what)]).toEqual([what, 1, false])
          taken.add(what)
        }
        expect(Math.max(0, ...tries(here).values())).toBeLessThanOrEqual(3)
        if (code === 0) break
        expect(runs, JSON.stringify(json.error)).toBeLessThan(50)
      }
      expect(runs).toBeGreaterThan(1)
      // An upload in parts that failed for good in one run was thrown away by it, and is begun anew by the next.
      const small = [...taken].filter((what) => what.startsWith('out/small'))
      expect(small).toHaveLength(120)
      expect(taken.size - small.length).toBeLessThanOrEqual(3 * runs)
      await here.expectSame()
    })
  })

  it.each([
    ['target', 'to', 'part'],
    ['source', 'from', 'get'],
  ] as const)('a %s that is gone for 10 seconds in mid-run costs time, and nothing else', async (_, side, last) => {
    const own = await startMinio()
    const here = await stage({ from: server, to: server, [side]: own })
    const objects = { ...tree(60), 'in/zz-large': filled(3 * partSize, 'last') }
    await here.from.fill(objects)
    let back: Promise<void> | undefined
    here[side].proxy.rule = ({ call, key }) => {
      if (back === undefined && call === last && key.endsWith('zz-large')) {
        back = own.kill().then(async () => {
          await wait(10_000)
          await own.restart()
        })
      }
      return undefined
    }
    const { code, json } = await here.sync(...parts)
    expect(json).toMatchObject({ status: 'success', objects: { copied: 62, failed: 0 } })
    expect([code, back === undefined]).toEqual([0, false])
    await back
    const size = Object.values(objects).reduce((sum, { length }) => sum + length, 0)
    // What was in flight, and what a few knocks at the door of the target sent.
    expect(here.to.proxy.bytesUp()).toBeLessThanOrEqual(size + (side === 'to' ? 16 : 5) * partSize)
    await here.expectSame()
  })

  it('one object that must not be read, or written, is told by its key; the others arrive, and nothing is deleted', async () => {
    const name = `secret-${crypto.randomUUID()}`
    const all = { Effect: 'Allow', Action: ['s3:*'], Resource: ['arn:aws:s3:::*'] } as const
    const deny = (action: string, path: string): MinioPolicy => ({
      Version: '2012-10-17',
      Statement: [all, { Effect: 'Deny', Action: [action], Resource: [`arn:aws:s3:::*/${path}`] }],
    })
    await setMinioPolicy(server, name, deny('s3:GetObject', 'in/secret'))
    const { accessKey, secretKey } = await createMinioUser(server, name)
    const keys = { accessKey, secretKey }
    const here = await stage({ to: server, sources: { from: keys, to: keys } })
    await here.from.fill({ 'in/a': 'a', 'in/secret': 's', 'in/z': 'z' })
    await here.to.fill({ 'out/extra': 'x' })
    for (const copied of [2, 0]) {
      const failed = await here.sync('--delete')
      expect(failed).toMatchObject({ code: 1, json: { status: 'failed', objects: { copied, failed: 1, deleted: 0 } } })
      expect(failed.json.errors).toMatchObject([{ key: 'secret', code: 'access-denied' }])
      await setMinioPolicy(server, name, deny('s3:PutObject', 'out/secret'))
    }
    expect(Object.keys(await here.to.contents('out/'))).toEqual(['a', 'extra', 'z'])
    await setMinioPolicy(server, name, { Version: '2012-10-17', Statement: [all] })
    expect(await here.sync('--delete', '--max-delete', '100')).toMatchObject({
      code: 0,
      json: { objects: { copied: 1, deleted: 1 } },
    })
    await here.expectSame()
  })

  describe('a target that is full', () => {
    it('ends the run at once, with few calls, and goes on when there is room', async () => {
      const here = await stage({ to: server })
      await here.from.fill(tree(200))
      let room = 50
      here.to.proxy.rule = ({ call }) =>
        ['put', 'part', 'create'].includes(call) && --room < 0
          ? { answer: refusal(507, 'XMinioStorageFull') }
          : undefined
      const full = await here.sync(...parts)
      expect(full).toMatchObject({ code: 1, json: { status: 'failed', error: { code: 'no-space' } } })
      expect(here.to.proxy.count('put', 'part', 'create')).toBeLessThanOrEqual(50 + 40)
      const { copied } = full.json.objects
      here.to.proxy.reset()
      const again = await here.sync(...parts)
      expect(again).toMatchObject({ code: 0, json: { objects: { failed: 0 } } })
      // What was under way when the disk was full may have arrived, with nobody to hear of it.
      expect(again.json.objects.copied).toBeLessThanOrEqual(201 - copied)
      await here.expectSame()
    })

    it('for real, on a disk of its own', async ({ skip }) => {
      const own = await startMinio()
      const disk = own.dataDir
      if (disk === undefined || process.getuid?.() !== 0) skip('mounting a small disk needs the superuser')
      await own.kill()
      if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=60m', 'tmpfs', disk as string]).status !== 0)
        skip('no tmpfs can be mounted here')
      onTestFinished(async () => {
        await own.kill()
        spawnSync('umount', ['-l', disk as string])
      })
      await own.restart()
      const here = await stage({ from: server, to: own })
      const objects = Object.fromEntries(Array.from({ length: 8 }, (_, i) => [`in/${i}`, filled(12 * MIB, `${i}`)]))
      await here.from.fill(objects)
      // MinIO answers at times as if it were down for a moment only: that is not to be waited out for long.
      const full = await here.sync(...parts, '--outage-limit', '3')
      // A disk that fills up under a write is told by MinIO as full, as one that it cannot write to for the moment, or by an upload that it
      // does not know any more.
      const expectFull = ({ code, json }: typeof full): void => {
        expect([code, json.status]).toEqual([1, 'failed'])
        const codes = [json.error, ...json.errors].flatMap((failure) => (failure === undefined ? [] : [failure.code]))
        expect(codes.length).toBeGreaterThan(0)
        for (const told of codes) expect(told).toMatch(/^(no-space|unavailable|not-found)$/)
      }
      expectFull(full)
      // Whatever is there is whole.
      const [wanted, found] = [await here.from.contents('in/'), await here.to.contents('out/')]
      expect(wanted).toMatchObject(found)
      // It looks at its disk now and then only, but when it begins.
      await own.kill()
      spawnSync('mount', ['-o', 'remount,size=400m', disk as string])
      await own.restart()
      expect((await here.sync(...parts)).code).toBe(0)
      await here.expectSame()
    })
  })

  describe('clocks a day apart', () => {
    const day = 86_400_000

    /** Moves the times that a store tells of its objects. That of its own signatures is another matter: it would refuse ours. */
    function shifted({ status, headers, body }: HttpAnswer, by: number): HttpAnswer {
      const moved = { ...headers }
      const time = headers['last-modified']
      if (time !== undefined) moved['last-modified'] = new Date(Date.parse(time) + by).toUTCString()
      if (!/xml/.test(headers['content-type'] ?? '')) return { status, headers: moved, body }
      const text = body.toString('latin1').replace(/<LastModified>([^<]+)</g, (_, time: string) => {
        return `<LastModified>${new Date(Date.parse(time) + by).toISOString()}<`
      })
      return { status, headers: { ...moved, 'content-length': String(text.length) }, body: Buffer.from(text, 'latin1') }
    }

    it.each([
      ['the source is ahead, the target behind', day, -day],
      ['the source is behind, the target ahead', -day, day],
    ])('%s: an edit of the same size is seen, and nothing is copied twice', async (_, fromBy, toBy) => {
      const here = await stage({ to: server })
      await here.from.fill({ 'in/a': 'one', 'in/b': 'two', 'in/large': filled(partSize + 1, 'large') })
      here.from.proxy.rule = () => ({ changeDown: (answer) => shifted(answer, fromBy) })
      here.to.proxy.rule = () => ({ changeDown: (answer) => shifted(answer, toBy) })
      expect(await here.sync(...parts)).toMatchObject({ code: 0, json: { objects: { copied: 3 } } })
      expect(await here.sync(...parts)).toMatchObject({ code: 0, json: { objects: { copied: 0, skipped: 3 } } })
      await here.from.fill({ 'in/a': 'ONE' })
      expect(await here.sync(...parts)).toMatchObject({ code: 0, json: { objects: { copied: 1, skipped: 2 } } })
      await here.expectSame()
      const back = ['sync', 'from:in', 'to:out', '--two-way', ...parts]
      expect(await here.stowage(...back)).toMatchObject({ json: { objects: { copied: 0, conflicts: 0 } } })
      await here.to.fill({ 'out/b': 'TWO' })
      expect(await here.stowage(...back)).toMatchObject({ json: { objects: { copied: 1, conflicts: 0 } } })
      await here.expectSame()
    })

    it.each([
      ['ahead', day],
      ['behind', -day],
    ])("this machine's is %s: requests are signed by the store's time", async (_, by) => {
      const here = await stage({ to: server })
      await here.from.fill({ 'in/a': 'a', 'in/large': filled(partSize + 1, 'large') })
      await here.to.fill({ 'out/extra': 'x' })
      const program = `const Real = Date; globalThis.Date = class Date extends Real {
        constructor(...given) { given.length === 0 ? super(Real.now() + ${by}) : super(...given) }
        static now() { return Real.now() + ${by} } }`
      const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(program)}` }
      const args = ['sync', 'from:in', 'to:out', '--delete', '--max-delete', '100', '--json', ...parts]
      const first = await runCli(args, { cwd: here.cwd, env })
      expect(first.code, first.stderr + first.stdout).toBe(0)
      expect(JSON.parse(first.stdout)).toMatchObject({ objects: { copied: 2, deleted: 1, failed: 0 } })
      await here.expectSame()
      // And the same task goes on by a clock that is right.
      expect(await here.sync(...parts)).toMatchObject({ code: 0, json: { objects: { copied: 0, skipped: 2 } } })
    })
  })
})
