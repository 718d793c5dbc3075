export { decodeRecord, encodeRecord, keysBelow } from './json.ts'
