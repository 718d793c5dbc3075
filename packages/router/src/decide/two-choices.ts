import { lookUp } from '../world.ts'
import type { ComponentName } from './decision.ts'
import { type Ground, type Scored, weightOf } from './vector.ts'

/**
 * Power of two choices: of those that are equal in all that comes before, the two that the draw put first are looked at, and the one that is
 * less busy for its weight goes first. Two suffice to keep all evenly busy, without everybody running to the one idle source.
 *
 * @param sorted the candidates in order; put into their new order
 */
export function chooseTwo(sorted: Scored[], order: readonly ComponentName[], ground: Ground): void {
  const before = order.slice(0, order.indexOf('load'))
  const busy = ({ source }: Scored): number =>
    (lookUp(ground.world.load, source.id) ?? 0) / (weightOf(source, ground.effects) || Number.MIN_VALUE)
  for (let begin = 0, end = 0; begin < sorted.length; begin = end) {
    const first = sorted[begin] as Scored
    end = begin + 1
    while (end < sorted.length && before.every((name) => sorted[end]?.vector[name] === first.vector[name])) end++
    const second = sorted[begin + 1]
    if (end - begin < 2 || second === undefined) continue
    for (let i = begin + 2; i < end; i++) (sorted[i] as Scored).vector.load = 2
    if (busy(second) < busy(first)) {
      sorted[begin] = second
      sorted[begin + 1] = first
      first.vector.load = 1
    } else second.vector.load = 1
  }
}
