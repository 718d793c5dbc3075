/** An answer that is an error, as OSS documents it: https://www.alibabacloud.com/help/en/oss/support/error-codes */
export class OssError extends Error {
  override readonly name = 'OssError'
  readonly status: number
  readonly code: string
  /** More elements of the answer's XML. */
  readonly details: Readonly<Record<string, string>>

  constructor(code: OssErrorCode, message: string, details: Readonly<Record<string, string>> = {}, status?: number) {
    super(message)
    this.code = code
    this.status = status ?? statuses[code]
    this.details = details
  }
}

const statuses = {
  AccessDenied: 403,
  BucketAlreadyExists: 409,
  BucketNotEmpty: 409,
  EntityTooLarge: 400,
  EntityTooSmall: 400,
  FileAlreadyExists: 409,
  IncompleteBody: 400,
  InternalError: 500,
  InvalidAccessKeyId: 403,
  InvalidArgument: 400,
  InvalidDigest: 400,
  InvalidObjectName: 400,
  InvalidEncryptionAlgorithmError: 400,
  InvalidObjectState: 403,
  InvalidPart: 400,
  InvalidPartOrder: 400,
  InvalidRange: 416,
  InvalidSecurityToken: 403,
  InvalidTag: 400,
  InvalidTargetType: 400,
  MalformedXML: 400,
  MethodNotAllowed: 405,
  MissingArgument: 400,
  MissingContentLength: 411,
  NoSuchBucket: 404,
  NoSuchCORSConfiguration: 404,
  NoSuchLifecycle: 404,
  NoSuchKey: 404,
  NoSuchUpload: 404,
  NoSuchVersion: 404,
  NotImplemented: 501,
  NotModified: 304,
  NotSymlink: 400,
  ObjectNotAppendable: 409,
  OperationNotSupported: 400,
  PositionNotEqualToLength: 409,
  PreconditionFailed: 412,
  QpsLimitExceeded: 503,
  RequestTimeTooSkewed: 403,
  RequestTimeout: 400,
  RestoreAlreadyInProgress: 409,
  SecondLevelDomainForbidden: 403,
  SecurityTokenExpired: 403,
  ServiceUnavailable: 503,
  SignatureDoesNotMatch: 403,
  SymlinkTargetNotExist: 404,
} as const

/** The error codes that the double answers with. */
export type OssErrorCode = keyof typeof statuses
