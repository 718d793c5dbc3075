import { execFile } from 'node:child_process'
import { createReadStream } from 'node:fs'
import { promisify } from 'node:util'
import { digestStream } from '@stowage/core'
import { median, withLargeFile } from './large-file.ts'

const RUNS = 5
const MIB = 1024

/** The digest of a 1 GiB file against `sha256sum`, in turn. */
export async function benchDigest(): Promise<void> {
  await withLargeFile(MIB, async (_, path) => {
    const ours: number[] = []
    const theirs: number[] = []
    for (let run = 0; run <= RUNS; run++) {
      const a = await seconds(() => digestStream(createReadStream(path, { highWaterMark: 1024 * 1024 })))
      const b = await seconds(() => promisify(execFile)('sha256sum', [path]))
      // The first round warms the page cache.
      if (run > 0) {
        ours.push(a)
        theirs.push(b)
      }
    }
    const [us, them] = [median(ours), median(theirs)]
    process.stdout.write(
      `  1 GiB, median of ${RUNS}: stowage ${us.toFixed(2)} s, sha256sum ${them.toFixed(2)} s, speed ratio ${(them / us).toFixed(2)} (aim: 0.5 or more)\n`,
    )
  })
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return (performance.now() - started) / 1000
}
