import { merge } from '../plan/index.ts'
import { countRow, noCounts, type PassCounts } from './counts.ts'
import type { Shared } from './shared.ts'
import { listFrom, listTo } from './sides.ts'

/**
 * Counts both sides as they are now. Where an earlier run counted some of the partitions, the source may have been emptied since: whether
 * objects may be deleted is not decided by what was counted then.
 * @param before what was counted, which alone knows what the ledger says
 * @param brought objects of the target that walks over partitions put there: some of them were met again by the walk that came after
 * @throws StowageError of a listing that failed, `unsafe`
 */
export async function recount(context: Shared, before: PassCounts, brought: number): Promise<PassCounts> {
  const { stop, takesPart } = context
  const counts = noCounts()
  const { signal } = stop
  const sides = merge(listFrom(context, '', signal, counts), listTo(context, '', signal, counts), nothing())
  for await (const page of sides) for (const row of page) countRow(row, counts, takesPart)
  return {
    ...counts,
    // What this task brought meanwhile does not make the share any larger.
    target: Math.min(Math.max(0, counts.target - brought), before.target),
    foreign: Math.min(counts.extra, before.foreign),
    problems: counts.problems + before.problems,
  }
}

async function* nothing(): AsyncGenerator<never> {}
