import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { expectCode } from '../testing/index.ts'
import { exactLength, readAll, readExactly } from './body.ts'

async function* stream(...parts: string[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield Buffer.from(part)
}

async function drain(source: AsyncIterable<Uint8Array>): Promise<string> {
  let text = ''
  for await (const chunk of source) text += Buffer.from(chunk).toString()
  return text
}

test('readExactly takes exactly so many bytes', async () => {
  expect(Buffer.from(await readExactly(stream('ab', '', 'c'), 3)).toString()).toBe('abc')
  expect(await readExactly(stream(), 0)).toHaveLength(0)
  await expectCode(readExactly(stream('ab'), 3), 'integrity')
  await expectCode(readExactly(stream('ab', 'cd'), 3), 'integrity')
})

test('readAll stops at its limit', async () => {
  expect(Buffer.from(await readAll(stream('ab', 'c'), 3)).toString()).toBe('abc')
  expect(await readAll(stream(), 0)).toHaveLength(0)
  await expectCode(readAll(stream('ab', 'cd'), 3), 'invalid-request')
})

test('exactLength passes a stream through and says when it is too short or too long', async () => {
  expect(await drain(exactLength(stream('ab', 'c'), 3))).toBe('abc')
  await expectCode(drain(exactLength(stream('ab'), 3)), 'integrity')
  const seen: string[] = []
  const passing = (async () => {
    for await (const chunk of exactLength(stream('ab', 'cd', 'e'), 3)) seen.push(Buffer.from(chunk).toString())
  })()
  await expectCode(passing, 'integrity')
  expect(seen).toEqual(['ab'])
})

test('readExactly reads streams of Node as it reads others, and gives back what it copied', async () => {
  const bytes = Buffer.from('abcdef')
  const returned: string[] = []
  const reusing = (...chunks: Buffer[]) =>
    Object.assign(Readable.from(chunks, { objectMode: false }), {
      takeBack: (chunk: Uint8Array) => void returned.push(Buffer.from(chunk).toString()),
    })
  expect(Buffer.from(await readExactly(reusing(bytes.subarray(0, 4), bytes.subarray(4)), 6)).toString()).toBe('abcdef')
  expect(returned).toEqual(['abcd', 'ef'])
  // One chunk is the answer itself, so it is still looked at.
  expect(await readExactly(reusing(bytes), 6)).toBe(bytes)
  expect(returned).toHaveLength(2)
  expect(await readExactly(reusing(), 0)).toHaveLength(0)
  await expectCode(readExactly(reusing(bytes), 7), 'integrity')
  const long = reusing(bytes, bytes)
  await expectCode(readExactly(long, 7), 'integrity')
  expect(long.destroyed).toBe(true)
})

test('readExactly fails as the stream fails, also when that was before', async () => {
  const broken = new Readable({ read: () => broken.destroy(new Error('broken')) })
  await expect(readExactly(broken, 1)).rejects.toThrow('broken')
  await expect(readExactly(broken, 1)).rejects.toThrow('broken')
  const closed = new Readable({ read: () => closed.destroy() })
  await expectCode(readExactly(closed, 1), 'integrity')
  await expectCode(readExactly(closed, 1), 'integrity')
})
