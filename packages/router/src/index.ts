export {
  type Candidate,
  type ComponentName,
  type CostVector,
  componentOrder,
  type Decision,
  type Drop,
  decide,
  explain,
  type FilterName,
  filterNames,
  type RequestSummary,
} from './decide/index.ts'
export {
  classifyError,
  type ErrorClass,
  type HealthOptions,
  type HealthOutcome,
  type HealthState,
  healthDefaults,
  healthOf,
  reduceHealth,
} from './health/index.ts'
export { type RoutePurpose, type RouteRequest, routePurposes } from './request.ts'
export {
  type Condition,
  compileRules,
  defaultRules,
  type Effect,
  type Facts,
  type OneOrMore,
  type ParsedRule,
  type RoutingOptions,
  type Rule,
  type RuleSet,
  type SourceMatch,
  type SourceSelector,
} from './rules/index.ts'
export { distanceBetween, type Regions, type RouteSource, UNKNOWN_DISTANCE, type World } from './world.ts'
