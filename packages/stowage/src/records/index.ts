export { type Held, heldSignal, hold } from './held.ts'
export { JsonRecords, nameOf } from './json-records.ts'
export { keysBelow } from './keys.ts'
export { isLeased, type Leased, withLease } from './leased.ts'
