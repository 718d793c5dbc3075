import { BaseSequencer, type TestSpecification } from 'vitest/node'
import { testLevel } from '../level.ts'

/** Files that take longest at full level alone, where their sizes are others. */
const longAtFull: readonly string[] = [
  'proof/queue.test.ts',
  'rustfs/fuzz.test.ts',
  'minio/fuzz.test.ts',
  'scrub/crash.test.ts',
  'proof/crash.test.ts',
  'oss/fuzz.test.ts',
  'cache/interleaved.test.ts',
  'materialize/crash.test.ts',
  'app/crash.test.ts',
  'policies/worker-deaths.attack.test.ts',
  'proof/workers.test.ts',
  'signed/crash.test.ts',
  'run/history.test.ts',
  'filesystem/fuzz.test.ts',
  's3/paths.test.ts',
  'decide/naive.test.ts',
  'cache/real.test.ts',
  'run/partitions-any.attack.test.ts',
]

/**
 * Files that take long, most of it waiting, by the ends of their paths, the longest first: one that is begun last would be waited for alone.
 * Only the order depends on it.
 */
const long: readonly string[] = [
  ...(testLevel === 'full' ? longAtFull : []),
  'testing/faults/faults.test.ts',
  'proof/queue.test.ts',
  'proof/workers.test.ts',
  'proof/stores.test.ts',
  'scrub/crash.test.ts',
  'minio/tls.test.ts',
  'loader-python/loader.test.ts',
  'rustfs/rustfs.test.ts',
  's3/on-minio.test.ts',
  'minio/minio.test.ts',
  'app/crash.test.ts',
  'proof/crash.test.ts',
  'app/read-failover.test.ts',
  'datasets/lies.test.ts',
  'cli/cli.test.ts',
  'cli/signals.test.ts',
  'cli/disks.test.ts',
  'cli/worker.test.ts',
  'cli/serve.test.ts',
  'wrappers/conformance.test.ts',
  'proof/bytes.test.ts',
  'policies/real-events.test.ts',
  'app/queue.test.ts',
  'queue/local.test.ts',
]

/**
 * Runs the files that take long first, then the others as ever: the larger ones first, or as long as they took the last time. Those that share
 * workers come last, one package after the other: a worker is used again only when the next file is of the same package.
 */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const others = await super.sort(files)
    const shared = [...new Set(others.filter(({ project }) => !project.config.isolate).map(({ project }) => project))]
    const rank = ({ moduleId, project }: TestSpecification): number => {
      const at = long.findIndex((end) => moduleId.endsWith(`/${end}`))
      return at === -1 ? long.length + 1 + shared.indexOf(project) : at
    }
    return [...others].sort((a, b) => rank(a) - rank(b))
  }
}
