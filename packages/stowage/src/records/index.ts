export { type Held, heldSignal, hold } from './held.ts'
export { decodeRecord, encodeRecord, keysBelow } from './json.ts'
export { JsonRecords, nameOf } from './json-records.ts'
export { isLeased, type Leased, withLease } from './leased.ts'
