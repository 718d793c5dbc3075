import { once } from 'node:events'
import { createServer as createPlain, type RequestListener, type Server } from 'node:http'
import { createServer as createTls } from 'node:https'
import type { AddressInfo } from 'node:net'
import { BodyPiece, toStowageError } from '@stowage/core'
import { seededRandom } from '@stowage/core/testing'
import { createCertificate, runs, testSeed } from '@stowage/test-support'
import { describe, expect, it, onTestFinished } from 'vitest'
import { ExactBody } from '../body.ts'
import { Gate } from '../connect.ts'
import { Flow } from '../flow.ts'
import { exchange } from './exchange.ts'
import { HttpPool } from './pool.ts'

type Chance = () => number

const KiB = 1024

function chanceOf(seed: number): Chance {
  const random = seededRandom(seed)
  return () => random.next()
}

/** Bytes that tell where they are from. */
function bytesOf(name: number, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let at = 0; at < length; at++) bytes[at] = (at >> 8) ^ (at * 7) ^ (name * 31)
  return bytes
}

/** A server that gives objects in writes of many sizes, and takes what is sent to it. */
async function serve(tls: boolean, chance: Chance): Promise<{ pool: HttpPool; got: Map<string, Buffer> }> {
  const got = new Map<string, Buffer>()
  const hear: RequestListener = async (request, response) => {
    const { searchParams, pathname } = new URL(request.url ?? '', 'http://localhost')
    if (request.method === 'PUT') {
      const chunks: Buffer[] = []
      for await (const chunk of request) {
        chunks.push(Buffer.from(chunk as Buffer))
        if (chance() < 0.1) await new Promise((resolve) => setImmediate(resolve))
      }
      got.set(pathname, Buffer.concat(chunks))
      response.end()
      return
    }
    const bytes = bytesOf(Number(searchParams.get('name')), Number(searchParams.get('length')))
    if (chance() < 0.5) response.setHeader('content-length', bytes.length)
    for (let at = 0; at < bytes.length; ) {
      const size = Math.ceil(chance() * (chance() < 0.3 ? 700 * KiB : 20 * KiB))
      if (!response.write(bytes.subarray(at, at + size)))
        await new Promise<void>((resolve) => {
          const go = (): void => {
            response.off('drain', go).off('close', go)
            resolve()
          }
          response.on('drain', go).on('close', go)
        })
      if (response.destroyed) return
      at += size
    }
    response.end()
  }
  const { cert, key } = createCertificate()
  const server: Server = tls ? createTls({ cert, key }, hear) : createPlain(hear)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const origin = `${tls ? 'https' : 'http'}://127.0.0.1:${(server.address() as AddressInfo).port}`
  const pool = new HttpPool({
    origin,
    maxSockets: 2,
    connectTimeoutMs: 60_000,
    gate: new Gate({ id: 'lan' }),
    ca: [cert],
  })
  onTestFinished(async () => {
    pool.destroy()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  return { pool, got }
}

async function open(pool: HttpPool, name: number, length: number): Promise<ExactBody> {
  const flow = new Flow(60_000, () => new Error('silent'))
  const path = `/?name=${name}&length=${length}`
  const answer = await exchange(pool, { method: 'GET', path, headers: [] }, flow, true)
  flow.over()
  return new ExactBody(answer, { length, what: 'it', mapError: (error) => toStowageError(error) })
}

describe.each([false, true])('memory that is read into again, TLS %s', (tls) => {
  it('is never that of a chunk that somebody still has', { timeout: 120_000 }, async () => {
    const chance = chanceOf(testSeed())
    const { pool } = await serve(tls, chance)
    let kept = 0
    let returned = 0
    const reader = async (name: number): Promise<void> => {
      const length = Math.ceil(chance() * 6 * KiB * KiB)
      const whole = bytesOf(name, length)
      const body = await open(pool, name, length)
      const stopAt = chance() < 0.2 ? chance() * length : Number.POSITIVE_INFINITY
      const held: { at: number; chunk: Buffer; rounds: number }[] = []
      let at = 0
      const check = (all: boolean): void => {
        for (const one of [...held]) {
          if (!one.chunk.equals(whole.subarray(one.at, one.at + one.chunk.length)))
            throw new Error(`byte ${one.at} of ${name} changed`)
          if (!all && one.rounds-- > 0) continue
          held.splice(held.indexOf(one), 1)
          if (all || chance() < 0.1) continue
          returned++
          body.takeBack(one.chunk)
        }
      }
      await new Promise<void>((resolve, reject) => {
        body.on('data', (chunk: Buffer) => {
          try {
            held.push({ at, chunk, rounds: Math.floor(chance() * 4) })
            kept++
            at += chunk.length
            check(false)
            if (at >= stopAt) body.destroy()
            else if (chance() < 0.2) {
              body.pause()
              setImmediate(() => body.resume())
            }
          } catch (error) {
            reject(error)
          }
        })
        body.on('error', reject)
        body.on('close', resolve)
      })
      await new Promise((resolve) => setImmediate(resolve))
      check(true)
    }
    for (let round = 0; round < runs(6, 60); round++) {
      await Promise.all(Array.from({ length: 5 }, (_, i) => reader(round * 5 + i)))
    }
    expect(returned).toBeGreaterThan(kept / 4)
  })

  it('brings what is passed on in pieces over as it was', { timeout: 120_000 }, async () => {
    const chance = chanceOf(testSeed() + 1)
    const from = await serve(tls, chance)
    const to = await serve(!tls, chance)
    const carry = async (name: number): Promise<void> => {
      const length = Math.ceil(chance() * 5 * KiB * KiB) + 1
      const body = await open(from.pool, name, length)
      body.on('error', () => {})
      const parts: Buffer[] = []
      for (let at = 0, part = 0; at < length; part++) {
        const size = Math.min(length - at, Math.ceil(chance() * (chance() < 0.3 ? 100 * KiB : 900 * KiB)))
        const flow = new Flow(60_000, () => new Error('silent'))
        const path = `/${name}-${part}`
        const headers = ['content-type', 'x']
        await exchange(
          to.pool,
          { method: 'PUT', path, headers, body: new BodyPiece(body, size), length: size },
          flow,
          false,
        )
        flow.over()
        parts.push(to.got.get(path) as Buffer)
        at += size
      }
      body.destroy()
      if (!Buffer.concat(parts).equals(bytesOf(name, length))) throw new Error(`${name} arrived changed`)
    }
    for (let round = 0; round < runs(6, 60); round++) {
      await Promise.all(Array.from({ length: 2 }, (_, i) => carry(round * 2 + i)))
    }
  })
})
