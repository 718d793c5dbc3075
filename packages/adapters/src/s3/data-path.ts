import type { ListedObject } from '@stowage/core'
import type { BodySource } from '../shared/index.ts'
import type { Flow } from './flow.ts'
import type { HeaderFields, ObjectAnswer } from './headers.ts'
import type { UploadBody } from './upload-body.ts'

/** Which object, or which state of it, is asked for. Entity tags are quoted. */
export interface Pinned {
  ifMatch?: string | undefined
  versionId?: string | undefined
}

export interface HeadAnswer extends ObjectAnswer {
  ContentLength?: number | undefined
}

export interface GetAnswer extends HeadAnswer {
  ContentRange?: string | undefined
  Body: BodySource
}

export interface PutRequest extends Pinned {
  headers: HeaderFields
  ifNoneMatch?: '*' | undefined
}

export interface WriteAnswer {
  ETag?: string | undefined
  VersionId?: string | undefined
}

/** One page of a listing that is asked for. */
export interface PageRequest {
  maxKeys: number
  prefix?: string | undefined
  startAfter?: string | undefined
  delimiter?: string | undefined
  token?: string | undefined
}

/** One page of a listing, with keys as they are. What the store did not say is `undefined`. */
export interface PageAnswer {
  objects: ListedObject[]
  prefixes: string[]
  isTruncated: boolean | undefined
  keyCount: number | undefined
  nextToken: string | undefined
}

/**
 * The calls that are made for every object. Each method is one attempt of one request; it throws what the vendor throws, or a
 * StowageError. There are two implementations: the AWS SDK, and a lean one that does only this.
 */
export interface DataPath {
  head(key: string, pinned: Pinned, flow: Flow): Promise<HeadAnswer>
  get(key: string, range: string | undefined, pinned: Pinned, flow: Flow): Promise<GetAnswer>
  put(key: string, body: UploadBody, request: PutRequest, flow: Flow): Promise<WriteAnswer>
  part(key: string, uploadId: string, partNumber: number, body: UploadBody, flow: Flow): Promise<WriteAnswer>
  page(request: PageRequest, flow: Flow): Promise<PageAnswer>
}
