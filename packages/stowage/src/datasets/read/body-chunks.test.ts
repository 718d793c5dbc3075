import { Readable } from 'node:stream'
import { StowageError } from '@stowage/core'
import { describe, expect, it } from 'vitest'
import { BodyChunks } from './body-chunks.ts'

const settled = () => new Promise((resolve) => setImmediate(resolve))

/** A body that is given its chunks by the test. */
function given(): Readable {
  return new Readable({ read() {}, highWaterMark: 256 * 1024 })
}

async function all(chunks: BodyChunks): Promise<string> {
  let text = ''
  for (let chunk = await chunks.next(); chunk !== undefined; chunk = await chunks.next()) text += Buffer.from(chunk)
  return text
}

describe('the chunks of a body', () => {
  it('come as they are, in order, and end', async () => {
    const pieces = ['a', 'bc', 'def'].map((text) => Buffer.from(text))
    const chunks = new BodyChunks(Readable.from(pieces))
    expect(await chunks.next()).toBe(pieces[0])
    expect(await chunks.next()).toBe(pieces[1])
    expect(await all(chunks)).toBe('def')
    expect(await chunks.next()).toBeUndefined()
  })

  it('are not asked for faster than they are read', async () => {
    let made = 0
    const body = Readable.from(
      (function* () {
        for (; made < 100; made++) yield Buffer.alloc(256 * 1024, made)
      })(),
    )
    const chunks = new BodyChunks(body)
    await settled()
    expect(made).toBe(0)
    expect((await chunks.next())?.[0]).toBe(0)
    await settled()
    expect(made).toBeLessThan(8)
    let count = 1
    for (let chunk = await chunks.next(); chunk !== undefined; chunk = await chunks.next()) {
      expect(chunk[0]).toBe(count++)
      expect(made).toBeLessThan(count + 8)
    }
    expect(count).toBe(100)
  })

  it('come before the failure behind them', async () => {
    const body = given()
    const chunks = new BodyChunks(body)
    const first = chunks.next()
    body.push(Buffer.from('a'))
    expect(Buffer.from((await first) as Uint8Array).toString()).toBe('a')
    body.push(Buffer.from('b'))
    await settled()
    body.destroy(new StowageError('timeout', 'silent'))
    await expect(all(chunks)).rejects.toMatchObject({ code: 'timeout' })
    await expect(chunks.next()).rejects.toMatchObject({ code: 'timeout' })
  })

  it('fail when the body closes before its end, also before anybody looked', async () => {
    const body = given()
    const chunks = new BodyChunks(body)
    const next = chunks.next()
    body.destroy()
    await expect(next).rejects.toMatchObject({ code: 'unavailable' })
    await expect(new BodyChunks(body).next()).rejects.toMatchObject({ code: 'unavailable' })
    const failed = given()
    failed.on('error', () => undefined).destroy(new StowageError('integrity', 'wrong'))
    await settled()
    await expect(new BodyChunks(failed).next()).rejects.toMatchObject({ code: 'integrity' })
  })

  it('are no uncaught error when nobody reads them any more', async () => {
    const body = given()
    const chunks = new BodyChunks(body)
    chunks.destroy()
    body.destroy(new Error('late'))
    await settled()
    expect(body.destroyed).toBe(true)
  })
})
