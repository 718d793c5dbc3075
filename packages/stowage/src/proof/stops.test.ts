import { setTimeout as wait } from 'node:timers/promises'
import { startCli, type TestServer, withMinio, withRustfs } from '@stowage/test-support'
import { describe, expect, it } from 'vitest'
import { filled, MIB, type Stage, stage } from './stage.ts'

const partSize = 5 * MIB
const concurrency = 2
const command = ['sync', 'from:in', 'to:out', '--json']
const pace = ['--part-size', String(partSize), '--concurrency', String(concurrency)]

/** Bytes a second of a slow line: a part takes a second and more. */
const slow = 4 * MIB

/** Starts a sync in a process of its own, and kills it with -9 when the n-th part has begun. */
async function killedInPart({ cwd, to }: Stage, n: number, more: readonly string[] = []): Promise<void> {
  let begun = 0
  const hit = Promise.withResolvers<void>()
  to.proxy.rule = ({ call }) => {
    if (call === 'part' && ++begun === n) hit.resolve()
    return undefined
  }
  to.line.throttle(slow)
  const child = startCli([...command, ...pace, ...more], { cwd })
  await Promise.race([hit.promise, child.done])
  await child.kill()
  expect(begun, 'it was over before it was killed').toBeGreaterThanOrEqual(n)
  to.line.clear()
  to.proxy.reset()
}

await withMinio((server) => {
  it('a time limit of one second on a slow line: each run gets on, and none sends again more than its parts in flight', async () => {
    const here = await stage({ to: server })
    await here.from.fill({ 'in/large': filled(4 * partSize, 'large'), 'in/a': 'a', 'in/z': 'z' })
    here.to.line.throttle(slow)
    let runs = 0
    let total = 0
    for (;;) {
      here.to.proxy.reset()
      const { code, json } = await here.sync(...pace, '--time-limit', '1')
      runs++
      total += here.to.proxy.bytesUp()
      const { transferred } = json.bytes
      expect(here.to.proxy.bytesUp() - transferred, `run ${runs}`).toBeLessThanOrEqual(concurrency * partSize)
      if (code === 0) break
      expect([code, json.status], `run ${runs}`).toEqual([75, 'paused'])
      expect(transferred, `run ${runs}`).toBeGreaterThan(0)
      expect(runs).toBeLessThan(8)
    }
    expect(runs).toBeGreaterThan(1)
    expect(total).toBeLessThanOrEqual(4 * partSize + 2 + (runs - 1) * (concurrency - 1) * partSize)
    await here.expectSame()
  })

  it('SIGTERM: exit 75 at once, long before a part is through, and the same command goes on', async () => {
    const here = await stage({ to: server })
    await here.from.fill({ 'in/a': 'a', 'in/large': filled(4 * partSize, 'large') })
    let begun = 0
    const inThird = Promise.withResolvers<void>()
    here.to.proxy.rule = ({ call }) => {
      if (call === 'part' && ++begun === 3) {
        // From now on a part takes a minute.
        here.to.line.throttle(partSize / 60)
        inThird.resolve()
      }
      return undefined
    }
    const child = startCli([...command, ...pace], { cwd: here.cwd })
    await Promise.race([inThird.promise, child.done])
    await wait(50)
    const told = performance.now()
    child.process.kill('SIGTERM')
    const stopped = await child.done
    // A second of grace for what is nearly through; the rest of the bound is for a machine that does other things.
    expect(performance.now() - told).toBeLessThan(30_000)
    expect([stopped.code, stopped.stderr.includes('    at ')]).toEqual([75, false])
    const { status, taskId } = JSON.parse(stopped.stdout)
    expect(status).toBe('paused')
    here.to.line.clear()
    const sent = here.to.proxy.bytesUp()
    here.to.proxy.reset()
    const again = await here.sync(...pace)
    expect(again).toMatchObject({ code: 0, json: { status: 'success', taskId } })
    expect(sent + here.to.proxy.bytesUp()).toBeLessThanOrEqual(4 * partSize + 1 + concurrency * partSize)
    await here.expectSame()
  })

  it('paused, and then cancelled with nobody at work: no upload stays, at once', async () => {
    const here = await stage({ to: server })
    await here.from.fill({ 'in/large': filled(4 * partSize, 'large') })
    here.to.line.throttle(slow)
    const paused = await here.sync(...pace, '--time-limit', '1')
    expect([paused.code, await here.to.uploads(['out/large'])]).toEqual([75, ['out/large']])
    here.to.line.clear()
    expect(await here.stowage('task', 'cancel', paused.json.taskId)).toMatchObject({ code: 0 })
    expect(await here.to.uploads(['out/large'])).toEqual([])
    expect(await here.stowage('task', 'show', paused.json.taskId)).toMatchObject({ json: { status: 'cancelled' } })
    expect(await here.sync(...pace)).toMatchObject({ code: 0 })
    await here.expectSame()
  })

  killedThenChanged(server, 'minio')
})

await withRustfs((server) => killedThenChanged(server, 'rustfs'))

/** What a process that was killed left is thrown away also when its object is another one by then. */
function killedThenChanged(server: TestServer, type: 'minio' | 'rustfs'): void {
  describe.each<[string, string[]]>([
    ['one way', []],
    // Its parts are as large as the blocks of digests.
    ['two-way', ['--two-way']],
  ])(`${type}, %s: killed with -9 in an upload, and then the object is`, (_, more) => {
    it.each<[string, (here: Stage) => Promise<unknown>]>([
      ['replaced by another of the same size', ({ from }) => from.fill({ 'in/large': filled(4 * partSize, 'new') })],
      ['replaced by a small one', ({ from }) => from.fill({ 'in/large': 'small' })],
      ['deleted', ({ from }) => from.store.delete('in/large')],
    ])('%s: no unfinished upload stays, asked by its exact key', async (_name, change) => {
      const here = await stage({ to: server, source: { type } })
      await here.from.fill({ 'in/a': 'a', 'in/large': filled(4 * partSize, 'old') })
      await killedInPart(here, 2, more)
      expect(await here.to.uploads(['out/large'])).toEqual(['out/large'])
      await change(here)
      expect(await here.sync(...pace, ...more)).toMatchObject({ code: 0, json: { objects: { failed: 0 } } })
      expect(await here.to.uploads(['out/large'])).toEqual([])
      await here.expectSame()
    })
  })
}
