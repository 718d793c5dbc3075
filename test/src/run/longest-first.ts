import { BaseSequencer, type TestSpecification } from 'vitest/node'

/**
 * Files that take long, most of it waiting, by the ends of their paths, the longest first: one that is begun last would be waited for alone.
 * Only the order depends on it.
 */
const long: readonly string[] = [
  'testing/faults/faults.test.ts',
  'proof/queue.test.ts',
  'proof/stores.test.ts',
  'proof/workers.test.ts',
  'proof/crash.test.ts',
  'minio/minio.test.ts',
  'rustfs/rustfs.test.ts',
  'minio/tls.test.ts',
  'policies/in-queue.test.ts',
  'loader-python/loader.test.ts',
  'scrub/crash.test.ts',
  's3/on-minio.test.ts',
  'cli/cli.test.ts',
  'cli/worker.test.ts',
  'proof/listings.test.ts',
  'proof/bytes.test.ts',
  'proof/stops.test.ts',
  'proof/database.test.ts',
  'datasets/lies.test.ts',
]

/** Runs the files that take long first, and the others as ever: the larger ones first, or as long as they took the last time. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const others = await super.sort(files)
    const rank = ({ moduleId }: TestSpecification): number => {
      const at = long.findIndex((end) => moduleId.endsWith(`/${end}`))
      return at === -1 ? long.length : at
    }
    return [...others].sort((a, b) => rank(a) - rank(b))
  }
}
