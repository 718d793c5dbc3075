export { type AnyAccessOptions, access } from './access.ts'
export type { DocumentEnd, DocumentFile, DocumentHeader, DocumentWays } from './document.ts'
export type {
  Access,
  AccessOptions,
  FolderAccess,
  FolderAccessOptions,
  ManifestAccess,
  ManifestAccessOptions,
  StreamAccess,
  StreamAccessOptions,
} from './options.ts'
export { checkNode, keep, mountOf } from './places.ts'
