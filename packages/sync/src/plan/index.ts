export { type DecideOptions, type Decision, decide, FolderWatch, isMd5 } from './decide.ts'
export { isOwnKey, isRootMarker, type KeyFilter, keyFilter, ROOT_MARKER } from './filters.ts'
export { listGiven, listSide, type PlannedObject, type Side } from './listing.ts'
export { merge, type Row } from './merge.ts'
