import { runs } from '@stowage/test-support'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ReceiveBuffer } from './receive-buffer.ts'
import { Receiving } from './receiving.ts'

interface Heard {
  status: number
  headers: Record<string, unknown>
  body: string
  used: number
  isDone: boolean
}

/** Reads an answer that comes in these pieces; `bytes` beyond it are not taken. */
function read(pieces: readonly Buffer[], method = 'GET', ends = false): Heard {
  const heard: Heard = { status: 0, headers: {}, body: '', used: 0, isDone: false }
  const unheard = (): void => expect.unreachable()
  const handler = {
    onStart: unheard,
    onEnd: unheard,
    onError: unheard,
    onHead: (status: number, headers: Record<string, unknown>) => Object.assign(heard, { status, headers }),
    onData: (chunk: Buffer) => {
      heard.body += chunk.toString('latin1')
    },
  }
  const receiving = new Receiving(method, handler, new ReceiveBuffer())
  for (const piece of pieces) if (!receiving.isDone && piece.length > 0) heard.used += receiving.take(piece)
  heard.isDone = ends ? receiving.end() : receiving.isDone
  return heard
}

const whole = (text: string, method?: string, ends?: boolean): Heard => read([Buffer.from(text, 'utf8')], method, ends)

describe('reading an answer', () => {
  it('takes a body of a known length and nothing behind it', () => {
    const text = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag:  "a b" \r\nX-Amz-Meta-Name: größe\r\n\r\nhello'
    expect(whole(`${text}HTTP/1.1 200`)).toEqual({
      status: 200,
      headers: { 'content-length': '5', etag: '"a b"', 'x-amz-meta-name': 'größe' },
      body: 'hello',
      used: Buffer.byteLength(text),
      isDone: true,
    })
  })

  it('takes a body in chunks, with extensions and trailers', () => {
    const text =
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0A \r\n world...!\r\n000\r\nx-sum: 1\r\n\r\n'
    const { body, isDone, used } = whole(`${text}next`)
    expect({ body, isDone, used }).toEqual({ body: 'hello world...!', isDone: true, used: text.length })
  })

  it('takes a body that ends with the connection', () => {
    expect(whole('HTTP/1.1 200 OK\r\n\r\nhel').isDone).toBe(false)
    expect(whole('HTTP/1.1 200 OK\r\n\r\nhello', 'GET', true)).toMatchObject({ body: 'hello', isDone: true })
    expect(whole('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello', 'GET', true).isDone).toBe(false)
  })

  it('expects no body where there is none', () => {
    expect(whole('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n', 'HEAD').isDone).toBe(true)
    expect(whole('HTTP/1.1 404 Not Found\r\ntransfer-encoding: chunked\r\n\r\n', 'HEAD').isDone).toBe(true)
    expect(whole('HTTP/1.1 204 No Content\r\n\r\n').isDone).toBe(true)
    expect(whole('HTTP/1.1 304\r\ncontent-length: 3\r\n\r\n').isDone).toBe(true)
  })

  it('passes over what comes before the answer', () => {
    const heard = whole(
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nlink: x\r\n\r\nHTTP/1.1 201 C\r\ncontent-length: 0\r\n\r\n',
    )
    expect(heard).toMatchObject({ status: 201, isDone: true })
  })

  it.each([
    ['another protocol', 'SSH-2.0-x\r\n\r\n'],
    ['an alert of TLS', '\x15\x03\x01\x00\x02\x02\x46'],
    ['another version', 'HTTP/2.0 200 OK\r\n\r\n'],
    ['a status that is none', 'HTTP/1.1 20 OK\r\n\r\n'],
    ['switching protocols', 'HTTP/1.1 101 S\r\n\r\n'],
    ['a blank before the colon', 'HTTP/1.1 200 OK\r\nContent-Length : 1\r\n\r\n'],
    ['a folded header', 'HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n'],
    ['a bare newline', 'HTTP/1.1 200 OK\r\na: b\nc: d\r\n\r\n'],
    ['a control character', 'HTTP/1.1 200 OK\r\na: b\x00\r\n\r\n'],
    ['a header without a name', 'HTTP/1.1 200 OK\r\n: b\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n'],
    ['a negative length', 'HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n'],
    ['a length and chunks', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n'],
    ['another coding', 'HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n'],
    ['a chunk of no size', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\r\n'],
    ['a chunk of a negative size', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-1\r\n'],
    ['a chunk that is too long', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n'],
    ['a chunk line that never ends', `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;${'x'.repeat(17_000)}`],
    ['headers that never end', `HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(12_000)}`],
  ])('refuses %s', (_, text) => {
    expect(() => read([Buffer.from(text, 'latin1')])).toThrow(expect.objectContaining({ code: 'HPE_INVALID' }))
  })

  it('reads the same however it is cut', () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 6 })
    fc.assert(
      fc.property(sizes, fc.boolean(), fc.infiniteStream(fc.integer({ min: 1, max: 90 })), (chunks, inChunks, cuts) => {
        const body = chunks.map((size, i) => String(i).repeat(size)).join('')
        const framed = chunks.map((size, i) =>
          size === 0 ? '' : `${size.toString(16)}\r\n${String(i).repeat(size)}\r\n`,
        )
        const text = inChunks
          ? `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${framed.join('')}0\r\n\r\n`
          : `HTTP/1.1 206 Partial\r\ncontent-length: ${body.length}\r\n\r\n${body}`
        const bytes = Buffer.from(`${text}behind`)
        const pieces: Buffer[] = []
        for (let at = 0; at < bytes.length; ) {
          const size = cuts.next().value as number
          pieces.push(bytes.subarray(at, at + size))
          at += size
        }
        const heard = read(pieces)
        expect(heard.isDone).toBe(true)
        expect(heard.used).toBe(text.length)
        expect(heard.body).toBe(body)
      }),
      { numRuns: runs(200, 5000) },
    )
  })
})

describe('the memory that is read into', () => {
  it('is not written to while somebody has it', () => {
    const buffer = new ReceiveBuffer()
    const given: Buffer[] = []
    for (let i = 0; i < 40; i++) {
      const into = buffer.next()
      const size = Math.min(into.length, 20_000 + i * 3000)
      into.fill(i, 0, size)
      given.push(buffer.give(into.subarray(0, size)))
      buffer.settle(size, 10_000_000)
    }
    for (const [i, bytes] of given.entries()) expect(bytes.every((byte) => byte === i)).toBe(true)
  })

  it('is used again when all of it was given back', () => {
    const buffer = new ReceiveBuffer()
    buffer.settle(0, 10_000_000)
    const seen = new Set<ArrayBufferLike>()
    for (let i = 0; i < 100; i++) {
      const into = buffer.next()
      seen.add(into.buffer)
      const bytes = buffer.give(into)
      buffer.settle(into.length, 10_000_000)
      buffer.takeBack(bytes)
    }
    expect(seen.size).toBeLessThanOrEqual(2)
    const foreign = Buffer.alloc(1000)
    buffer.takeBack(foreign)
    expect(buffer.next().buffer).not.toBe(foreign.buffer)
  })
})
