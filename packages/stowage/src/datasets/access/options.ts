import type { Readable } from 'node:stream'
import type { Decision } from '@stowage/router'
import type { DatasetFile, OpenOptions } from '../read/index.ts'

/** What every kind of access takes. */
interface AccessRequest {
  /** @defaultValue the newest */
  version?: number
  /** The node that will read, one of `routing.nodes`: its region and what is mounted on it count. @defaultValue none in particular */
  node?: string
  signal?: AbortSignal
}

/** Ordered ways to one file, for a program that reads by itself. */
export interface AccessOptions extends AccessRequest {
  /** `url`: presigned; `mount`: paths on the node, or on this machine where none is named. */
  mode: 'url' | 'mount'
  path: string
  /** Seconds a URL stays valid, up to 604800. @defaultValue 3600 */
  expiresIn?: number
}

/** A whole version as a folder that is there already, on a source that is mounted. */
export interface FolderAccessOptions extends AccessRequest {
  mode: 'mount'
  path?: never
}

/** One file through this process. */
export interface StreamAccessOptions extends AccessRequest, Pick<OpenOptions, 'range' | 'stallMs'> {
  mode: 'stream'
  path: string
}

/** All files of a version, or a part of them, with ways to each of them. */
export interface ManifestAccessOptions extends AccessRequest {
  mode: 'manifest'
  /** Only files whose paths begin with this. @defaultValue all */
  prefix?: string
  /** Only files whose paths come after this one, in byte order: the `next` of the document before. */
  after?: string
  /** Files of the document, at most. @defaultValue all */
  limit?: number
  /** Seconds the URLs stay valid, up to 604800. @defaultValue 43200 (twelve hours) */
  expiresIn?: number
}

/** What every kind of access tells. */
export interface AccessAnswer {
  version: number
  /** Sources that hold the version and cannot give it in this mode. */
  without: { sourceId: string; reason: string }[]
  decision: Decision
}

/** Ordered ways to one file, best first. */
export interface Access extends AccessAnswer {
  path: string
  size: number
  digest: string
  /**
   * `checkedAt`, of a URL: when its source was last seen to serve, in milliseconds since the epoch; absent where this process has not seen it.
   */
  alternatives: { sourceId: string; url?: string; mountPath?: string; expiresAt?: number; checkedAt?: number }[]
}

/** Folders in which the version lies as it is, best first. */
export interface FolderAccess extends AccessAnswer {
  alternatives: { sourceId: string; mountPath: string }[]
}

/** A file that is being read, and the sources that it may come from, best first. */
export interface StreamAccess extends AccessAnswer {
  path: string
  size: number
  digest: string
  alternatives: { sourceId: string }[]
  file: DatasetFile
}

/** A document for loaders, see `docs/access.md`, and the sources that it names, best first. */
export interface ManifestAccess extends AccessAnswer {
  /** `mountPath`: the folder on the node that its keys are relative to. `expiresAt`: when the first of its URLs ends, in milliseconds. */
  alternatives: { sourceId: string; mountPath?: string; expiresAt?: number }[]
  /** JSON lines in UTF-8: a header, a line for each file, and an end. Made while it is read. */
  stream: Readable
}
