export { canonicalJson } from './canonical.ts'
export { hashText, type Lanes, toHex, toUnit } from './hash.ts'
