export { DECISION_FORMAT, type DecisionRecord, recordOf } from './record.ts'
export { type Change, type DryRun, dryRun, type Replay, replay } from './replay.ts'
