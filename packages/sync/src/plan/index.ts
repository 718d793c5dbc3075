export { ledgerBorders, probeBorders } from './borders.ts'
export { type DecideOptions, type Decision, decide, FolderWatch, isAs, isMd5, sameMd5 } from './decide.ts'
export { bareEtag, sameEtag } from './etag.ts'
export {
  isOwnKey,
  isRootMarker,
  type KeyFilter,
  keyFilter,
  type ObjectFilter,
  objectFilter,
  ROOT_MARKER,
} from './filters.ts'
export { listGiven, listSide, type PlannedObject, type Side } from './listing.ts'
export { merge, type Row } from './merge.ts'
export { placeOf } from './place.ts'
