import { describe, expect, it } from 'vitest'
import { Replay } from './replay.ts'

async function text(body: Uint8Array | AsyncIterable<Uint8Array>, pieces = Number.POSITIVE_INFINITY): Promise<string> {
  if (body instanceof Uint8Array) return Buffer.from(body).toString()
  let found = ''
  let left = pieces
  for await (const piece of body) {
    found += Buffer.from(piece).toString()
    if (--left === 0) break
  }
  return found
}

function source() {
  let ended = 0
  async function* stream() {
    try {
      for (const piece of ['a', 'b', 'c']) yield Buffer.from(piece)
    } finally {
      ended++
    }
  }
  return { stream, ended: () => ended }
}

describe('a body that may be sent again', () => {
  it('is bytes, or what a function gives', async () => {
    const bytes = new Replay(Buffer.from('abc'))
    bytes.acknowledged()
    expect([bytes.canRepeat, await text(bytes.open()), await text(bytes.open())]).toEqual([true, 'abc', 'abc'])
    const { stream, ended } = source()
    const made = new Replay(stream)
    expect(await text(made.open(), 2)).toBe('ab')
    made.acknowledged()
    expect([made.canRepeat, await text(made.open())]).toEqual([true, 'abc'])
    expect(ended()).toBe(2)
  })

  it('is a stream, as long as nothing of it was acknowledged', async () => {
    const { stream, ended } = source()
    const replay = new Replay(stream())
    expect(await text(replay.open(), 2)).toBe('ab')
    expect([replay.canRepeat, ended()]).toEqual([true, 0])
    expect(await text(replay.open())).toBe('abc')
    replay.acknowledged()
    expect(replay.canRepeat).toBe(false)
  })

  it('ends a stream that nobody read to its end', async () => {
    const { stream, ended } = source()
    const replay = new Replay(stream())
    await text(replay.open(), 1)
    await replay.close()
    expect(ended()).toBe(1)
  })

  it('holds no more than 64 MiB', async () => {
    async function* large() {
      for (let i = 0; i < 65; i++) yield Buffer.alloc(1024 * 1024)
    }
    const replay = new Replay(large())
    let at = 0
    for await (const piece of replay.open() as AsyncIterable<Uint8Array>) {
      at += piece.length
      expect(replay.canRepeat).toBe(at <= 64 * 1024 * 1024)
    }
  })
})
