import type { BodySource, Flow, PageQuestion, PageReply } from '../shared/index.ts'
import type { ChecksumFields } from './checksum-fields.ts'
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

/** What an upload in parts begins with. */
export interface BeginRequest {
  headers: HeaderFields
  /** The checksum that the store is to keep of the whole object. */
  whole: { ChecksumAlgorithm?: 'CRC32' | 'CRC32C' | 'CRC64NVME'; ChecksumType?: 'FULL_OBJECT' }
}

/** What an upload in parts ends with. Entity tags are quoted. */
export interface CompleteRequest {
  parts: readonly ({ PartNumber: number; ETag: string } & ChecksumFields)[]
  /** The checksum of the whole object, where the upload was begun with one. */
  whole: { ChecksumType?: 'FULL_OBJECT' } & ChecksumFields
  ifNoneMatch?: '*' | undefined
  ifMatch?: string | undefined
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
  /** Begins an upload in parts. @returns its id */
  begin(key: string, request: BeginRequest, flow: Flow): Promise<string>
  complete(key: string, uploadId: string, request: CompleteRequest, flow: Flow): Promise<WriteAnswer>
  page(question: PageQuestion, flow: Flow): Promise<PageReply>
}
