export type {
  Access,
  AccessOptions,
  DocumentEnd,
  DocumentFile,
  DocumentHeader,
  DocumentWays,
  FolderAccess,
  FolderAccessOptions,
  ManifestAccess,
  ManifestAccessOptions,
  StreamAccess,
  StreamAccessOptions,
} from './access/index.ts'
export { DatasetHandle, type DatasetView, type Uploaded, type UploadOptions } from './dataset-handle.ts'
export { type CreateDatasetOptions, Datasets } from './datasets.ts'
export type { Downloaded, DownloadOptions, DownloadProgress } from './download.ts'
export { OpenDraft } from './draft.ts'
export { Manifests } from './manifests.ts'
export type { Materialized, MaterializeOptions, MaterializeProgress } from './materialize/index.ts'
export { placesOf } from './places.ts'
export { type DatasetFile, type OpenOptions, Setbacks } from './read/index.ts'
export type { ReadSession } from './read-session.ts'
export { replicate } from './replicate.ts'
export {
  type AcceptUploadOptions,
  type SignedPart,
  type SignedUpload,
  type SignPartsOptions,
  type SignUploadOptions,
  type SweepOptions,
  type Swept,
  sweepDrafts,
} from './signed/index.ts'
export type { UploadBody, UploadedFolder, UploadFolderOptions, UploadStreamOptions } from './upload/index.ts'
export { UploadError } from './upload-error.ts'
