export { compareKeys, utf8Length } from './order.ts'
export { ancestorsOf, prefixesOverlap, toPrefix } from './prefix.ts'
export { checkKey, type KeyRules, portablePathRules, s3KeyRules } from './rules.ts'
