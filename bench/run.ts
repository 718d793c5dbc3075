/**
 * The benchmarks: `npm run bench`, or one of them, `npm run bench -- digest`.
 * Every figure that is compared is taken in turn with its rival in the same run, and told as a ratio of medians.
 */
import { benchAccess } from './access.ts'
import { benchDigest } from './digest.ts'
import { benchQueue } from './queue.ts'
import { benchRead } from './read.ts'
import { benchRouter } from './router.ts'
import { benchScrub } from './scrub.ts'
import { benchSync } from './sync.ts'
import { benchSyncMemory } from './sync-memory.ts'
import { benchWire } from './wire.ts'
import { benchWrappers } from './wrappers.ts'

const all: Record<string, () => Promise<void>> = {
  access: benchAccess,
  digest: benchDigest,
  queue: benchQueue,
  read: benchRead,
  router: benchRouter,
  scrub: benchScrub,
  sync: benchSync,
  'sync-memory': benchSyncMemory,
  wire: benchWire,
  wrappers: benchWrappers,
}
/** Options of benchmarks that are followed by a value. */
const valued = ['--against', '--only', '--rounds']
const wanted = process.argv
  .slice(2)
  .filter((word, i, words) => !word.startsWith('--') && !valued.includes(words[i - 1] ?? ''))
const unknown = wanted.filter((name) => !(name in all))
if (unknown.length > 0) {
  process.stderr.write(`There is no benchmark "${unknown.join(', ')}"; there are ${Object.keys(all).join(', ')}.\n`)
  process.exitCode = 2
} else {
  for (const [name, bench] of Object.entries(all)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue
    process.stdout.write(`\n${name}\n`)
    await bench()
  }
}
