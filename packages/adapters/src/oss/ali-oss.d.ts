/** The vendor's SDK, as far as it is used here; it comes without types. */
declare module 'ali-oss' {
  interface Sent {
    status: number
    headers: Readonly<Record<string, string>>
    data: Uint8Array
    res: { status: number; headers: Readonly<Record<string, string>> }
  }

  interface ClientOptions {
    accessKeyId: string
    accessKeySecret: string
    stsToken?: string
    bucket: string
    endpoint: string
    region: string
    cname: boolean
    authorizationV4: boolean
    amendTimeSkewed: number
    refreshSTSTokenInterval?: number
    urllib?: Sender
  }

  /** What sends the requests, in place of the SDK's own HTTP client. */
  interface Sender {
    request(
      url: string,
      params: { method: string; headers: Readonly<Record<string, string | number>>; content?: string | Uint8Array },
    ): Promise<Sent>
  }

  class STS {
    constructor(options: { accessKeyId: string; accessKeySecret: string; endpoint: string; urllib: Sender })
    assumeRole(
      role: string,
      policy: string | undefined,
      expiration: number | undefined,
      session: string,
    ): Promise<{
      credentials?: { AccessKeyId?: string; AccessKeySecret?: string; SecurityToken?: string; Expiration?: string }
    }>
  }

  class Client {
    static STS: typeof STS
    constructor(options: ClientOptions)
    getBucketVersioning(
      bucket: string,
      options: { headers: Readonly<Record<string, string>> },
    ): Promise<{ versionStatus?: string }>
    getBucketInfo(
      bucket: string,
      options: { headers: Readonly<Record<string, string>> },
    ): Promise<{ bucket?: { Location?: string }; res?: { headers: Readonly<Record<string, string>> } }>
    getBucketCORS(
      bucket: string,
      options: { headers: Readonly<Record<string, string>> },
    ): Promise<{ rules?: { allowedMethod?: string | string[]; exposeHeader?: string | string[] }[] }>
    getBucketLifecycle(
      bucket: string,
      options: { headers: Readonly<Record<string, string>> },
    ): Promise<{
      rules?: { status?: string; abortMultipartUpload?: unknown; noncurrentVersionExpiration?: unknown }[] | null
    }>
    restore(
      key: string,
      options: { type: string; Days: number; JobParameters?: string; headers: Readonly<Record<string, string>> },
    ): Promise<unknown>
    put(
      key: string,
      body: Buffer,
      options?: { mime?: string; meta?: Record<string, string>; headers?: Record<string, string> },
    ): Promise<unknown>
    get(key: string): Promise<{ content: Buffer; res: { headers: Record<string, string> } }>
    head(key: string): Promise<{ meta: Record<string, string> | null; res: { headers: Record<string, string> } }>
    listV2(query: Record<string, string>): Promise<{ objects: { name: string; size: number }[] }>
    multipartUpload(key: string, body: Buffer, options: { partSize: number }): Promise<unknown>
    signatureUrlV4(method: string, expires: number, request: object, key: string): Promise<string>
  }

  export = Client
}
