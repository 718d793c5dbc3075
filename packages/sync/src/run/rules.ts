import { twoWay } from '../reconcile/index.ts'
import type { PassCounts } from './counts.ts'
import { oneWay } from './one-way.ts'
import type { Rules } from './pass.ts'
import type { PassContext } from './shared.ts'

/** The rules that a pass goes by. */
export function rulesFor(context: PassContext, counts: PassCounts): Rules {
  const { both } = context
  return both === undefined ? oneWay(context, counts) : twoWay({ ...context, both }, counts)
}
