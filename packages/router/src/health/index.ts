export { classifyError, type ErrorClass } from './classify.ts'
export { reduceHealth } from './reduce.ts'
export { type HealthOptions, type HealthOutcome, type HealthState, healthDefaults } from './state.ts'
export { healthOf, healthOfAll } from './view.ts'
