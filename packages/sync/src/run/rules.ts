import { twoWay } from '../reconcile/index.ts'
import { type Above, nothingAbove } from './above.ts'
import type { PassCounts } from './counts.ts'
import { oneWay } from './one-way.ts'
import type { Rules } from './pass.ts'
import type { PassContext } from './shared.ts'

/** The rules that a pass goes by. @param above what lies before it, where it begins in the middle */
export function rulesFor(context: PassContext, counts: PassCounts, above: Above = nothingAbove): Rules {
  const { both } = context
  return both === undefined ? oneWay(context, counts, above) : twoWay({ ...context, both }, counts)
}
