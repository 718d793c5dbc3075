export { decide } from './decide.ts'
export {
  type Candidate,
  type ComponentName,
  type CostVector,
  type Decision,
  type Drop,
  type FilterName,
  filterNames,
  type Loss,
  type RequestSummary,
} from './decision.ts'
export { explain } from './explain.ts'
export { componentOrder } from './vector.ts'
