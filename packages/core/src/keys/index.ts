export { compareKeys, utf8Length } from './order.ts'
export { ancestorsOf, prefixesOverlap, toPrefix } from './prefix.ts'
export { checkKey, checkPrefix, type KeyRules, portablePathRules, s3KeyRules } from './rules.ts'
