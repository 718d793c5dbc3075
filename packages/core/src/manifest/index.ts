export {
  blocksKey,
  MANAGED_FOLDER,
  MANIFEST_FORMAT,
  MARKER_KEY,
  type ManifestEntry,
  type ManifestRange,
  type ManifestRoot,
  type RootMarker,
  rangeKey,
  rootKey,
  sha256,
  signKey,
  type VersionRecord,
  versionKey,
} from './format.ts'
export { checkManifestObject, type GetManifestObject, Manifest } from './reader.ts'
export { type PutManifestObject, type WriteManifestOptions, type WrittenManifest, writeManifest } from './writer.ts'
