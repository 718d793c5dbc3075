export type { DecisionCounters, DecisionLogOptions } from './decision-log.ts'
export { openRouting } from './open-routing.ts'
export type { Routing } from './routing.ts'
export type { RulesOrigin } from './rules-in-force.ts'
