import type { BodySource, Flow, PageQuestion, PageReply } from '../shared/index.ts'
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

/**
 * The calls that are made for every object. Each method is one attempt of one request; it throws what the vendor throws, or a
 * StowageError. There are two implementations: the AWS SDK, and a lean one that does only this.
 */
export interface DataPath {
  head(key: string, pinned: Pinned, flow: Flow): Promise<HeadAnswer>
  get(key: string, range: string | undefined, pinned: Pinned, flow: Flow): Promise<GetAnswer>
  put(key: string, body: UploadBody, request: PutRequest, flow: Flow): Promise<WriteAnswer>
  part(key: string, uploadId: string, partNumber: number, body: UploadBody, flow: Flow): Promise<WriteAnswer>
  page(question: PageQuestion, flow: Flow): Promise<PageReply>
}
