import type { Row } from '../plan/index.ts'
import type { PassCounts } from '../run/counts.ts'

/** What a two-way pass counted: `extra` objects to delete in the target, `extraBack` in the source. */
export type TwoWayCounts = PassCounts

export function countSides({ source, target }: Row, counts: TwoWayCounts): void {
  if (source !== undefined) counts.source++
  if (target !== undefined) counts.target++
}
