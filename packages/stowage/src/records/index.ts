export { decodeRecord, encodeRecord, keysBelow } from './json.ts'
export { isLeased, type Leased, withLease } from './leased.ts'
