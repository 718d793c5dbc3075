import { type HttpAnswer, type Meddling, type StoreCall, withMinio } from '@stowage/test-support'
import { describe, expect, it } from 'vitest'
import { filled, KIB, MIB, type Stage, stage } from './stage.ts'

const partSize = 5 * MIB
const parts = ['--part-size', String(partSize)]

/** One object of a single put, one that goes over in parts, and one that came there in parts itself. */
async function prepare(here: Stage): Promise<void> {
  await here.from.fill({ 'in/small': filled(100 * KIB, 'small'), 'in/large': filled(2 * partSize + 5, 'large') })
  const { multipart } = here.from.store
  const { uploadId } = await multipart.create('in/parts')
  const sent = []
  for (const [number, size] of [
    [1, partSize],
    [2, 77],
  ] as const) {
    sent.push(await multipart.uploadPart('in/parts', uploadId, number, filled(size, `part ${number}`), { size }))
  }
  await multipart.complete('in/parts', uploadId, sent)
}

function flip(body: Buffer): Buffer {
  const changed = Buffer.from(body)
  const middle = Math.floor(changed.length / 2)
  changed[middle] = (changed[middle] ?? 0) ^ 0x40
  return changed
}

/** A short body, with a length that agrees with it. */
function shortened({ headers, body, status }: HttpAnswer): HttpAnswer {
  const short = body.subarray(0, body.length - 1000)
  const range = /^bytes (\d+)-\d+\/(\d+)$/.exec(headers['content-range'] ?? '')
  const start = Number(range?.[1])
  const told = range === null ? {} : { 'content-range': `bytes ${start}-${start + short.length - 1}/${range[2]}` }
  return { status, headers: { ...headers, 'content-length': String(short.length), ...told }, body: short }
}

/** A short body, of an object that is said to be no longer. */
function liedAbout(answer: HttpAnswer): HttpAnswer {
  const { headers, body, status } = shortened(answer)
  const range = headers['content-range']?.replace(/\d+$/, String(body.length))
  return { status, headers: { ...headers, ...(range === undefined ? {} : { 'content-range': range }) }, body }
}

const faults: [string, StoreCall[], Meddling][] = [
  ['a body that is cut short, its length as it should be', ['get'], { cutDown: 50 * KIB }],
  ['a body that is cut short, its length as it is', ['get'], { changeDown: shortened }],
  ['a body that is cut short, and an object said to be so short', ['get'], { changeDown: liedAbout }],
  ['a flipped byte on the way down', ['get'], { changeDown: (a) => ({ ...a, body: flip(a.body) }) }],
  ['a flipped byte on the way up', ['put', 'part'], { changeUp: flip }],
  ['a connection reset in the middle of a body, on the way up', ['put', 'part'], { resetUp: 50 * KIB }],
  ['an answer that is lost', ['put', 'create', 'part', 'complete'], { loseAnswer: true }],
]

await withMinio((server) => {
  describe('bytes that do not arrive as they are', () => {
    it.each(faults)('%s: once for each object and part, everything arrives in the end', async (_, calls, meddling) => {
      const here = await stage({ to: server })
      await prepare(here)
      const seen = new Set<string>()
      let hits = 0
      for (const { proxy } of [here.from, here.to]) {
        proxy.rule = ({ call, key, headers, query }) => {
          const what = `${call} ${key} ${headers.range ?? query.get('partNumber')}`
          if (!calls.includes(call) || seen.has(what)) return undefined
          seen.add(what)
          hits++
          return meddling
        }
      }
      const { code, json } = await here.sync(...parts)
      expect(json).toMatchObject({ status: 'success', objects: { copied: 3, failed: 0 } })
      expect(code).toBe(0)
      await here.expectSame()
      // The small one, and each part of the others.
      expect(hits).toBeGreaterThanOrEqual(6)
      // What failed, was lost or was wrong goes over once more, and nothing else does.
      const size = 100 * KIB + (2 * partSize + 5) + (partSize + 77)
      expect(here.to.proxy.bytesUp()).toBeLessThanOrEqual(2 * size + 64 * KIB)
    })

    // A connection that always breaks is a store that is down: the outages are another test.
    it.each(faults.filter(([, , { resetUp, loseAnswer }]) => resetUp === undefined && !loseAnswer))(
      '%s: always, it is told of each object, and nothing wrong is to be seen',
      async (_, calls, meddling) => {
        const here = await stage({ to: server, source: { attempts: 1 } })
        await prepare(here)
        for (const { proxy } of [here.from, here.to])
          proxy.rule = ({ call }) => (calls.includes(call) ? meddling : undefined)
        const { code, json } = await here.sync(...parts)
        expect(code).toBe(1)
        expect(json).toMatchObject({ status: 'failed', objects: { copied: 0, failed: 3 } })
        expect(await here.to.contents()).toEqual({})
        here.from.proxy.reset()
        here.to.proxy.reset()
        expect((await here.sync(...parts)).code).toBe(0)
        await here.expectSame()
      },
    )
  })

  it('bytes that arrive as they are are read once and sent once, and what is there is not read back', async () => {
    const here = await stage({ to: server })
    await prepare(here)
    expect(await here.sync(...parts)).toMatchObject({ code: 0, json: { objects: { copied: 3 } } })
    const size = 100 * KIB + (2 * partSize + 5) + (partSize + 77)
    const read = here.from.proxy.calls.filter(({ call }) => call === 'get')
    expect(read.reduce((sum, { answered }) => sum + answered, 0)).toBe(size)
    expect([here.to.proxy.bytesUp(), here.to.proxy.count('get')]).toEqual([size, 0])
    await here.expectSame()
  })

  describe('a source that is replaced between two parts', () => {
    it('is copied as it is then, never mixed, and leaves no upload', async () => {
      const here = await stage({ to: server })
      await here.from.fill({ 'in/large': filled(17 * MIB, 'old') })
      let sent = 0
      here.to.proxy.rule = ({ call }) => {
        if (call !== 'part' || ++sent !== 2) return undefined
        return { before: () => here.from.fill({ 'in/large': filled(17 * MIB, 'new') }) }
      }
      expect(await here.sync(...parts, '--concurrency', '1')).toMatchObject({
        code: 0,
        json: { objects: { copied: 1, failed: 0 } },
      })
      await here.expectSame()
      expect(here.to.proxy.count('create')).toBe(2)
      expect(await here.sync(...parts)).toMatchObject({ json: { objects: { copied: 0, skipped: 1 } } })
    })
  })
})
