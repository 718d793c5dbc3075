import { createHash } from 'node:crypto'
import { mkdir, open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Bytes that look random and are the same every time: SHA-256 of a counter. */
export function sampleBytes(seed: string, length: number): Buffer {
  const blocks: Buffer[] = []
  for (let at = 0; at < length; at += 32) blocks.push(createHash('sha256').update(`${seed}:${at}`).digest())
  return Buffer.concat(blocks).subarray(0, length)
}

/** The large file: above 64 MiB, so that it travels in parts. */
export const LARGE_FILE = 'weights/model.safetensors'
const LARGE_SIZE = 72 * 1024 * 1024 + 4321

/** Writes a dataset of some hundred small files, some with difficult names, and one large file. Returns their number and size. */
export async function writeSample(folder: string): Promise<{ files: number; bytes: number }> {
  const names = Array.from({ length: 300 }, (_, i) => `train/${String(i % 10)}/${String(i).padStart(4, '0')}.jpg`)
  names.push(
    'README.md',
    'labels/train set.csv',
    'labels/100%+more.csv',
    'labels/数据集.csv',
    'labels/\u{1f431}.txt',
    'empty',
  )
  let bytes = 0
  for (const [i, name] of names.entries()) {
    const content = name === 'empty' ? Buffer.alloc(0) : sampleBytes(name, 500 + ((i * 7919) % 20_000))
    await mkdir(join(folder, name, '..'), { recursive: true })
    await writeFile(join(folder, name), content)
    bytes += content.length
  }
  await mkdir(join(folder, LARGE_FILE, '..'), { recursive: true })
  const large = await open(join(folder, LARGE_FILE), 'w')
  const piece = sampleBytes(LARGE_FILE, 1024 * 1024)
  for (let at = 0; at < LARGE_SIZE; at += piece.length) {
    piece.writeUInt32BE(at / piece.length, 0)
    await large.write(piece, 0, Math.min(piece.length, LARGE_SIZE - at))
  }
  await large.close()
  return { files: names.length + 1, bytes: bytes + LARGE_SIZE }
}
