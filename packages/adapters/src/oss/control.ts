import { hasCode, type RestoreOptions } from '@stowage/core'
import type Client from 'ali-oss'
import { assertRestore, type Called } from '../shared/index.ts'
import type { OssControl } from './context.ts'
import type { OssOptions } from './options.ts'
import { asText, loadAliOss } from './sdk.ts'
import type { Transport } from './transport.ts'
import { versionedBucket } from './written.ts'

const tiers = { standard: 'Standard', expedited: 'Expedited', bulk: 'Bulk' } as const

/**
 * The calls on the bucket itself and on archives: the vendor's SDK writes, signs and reads them; the adapter's own connections carry
 * them, with their deadlines, retries and mapped errors.
 */
export class Control implements OssControl {
  readonly #adapter: Called
  readonly #transport: Transport
  readonly #options: OssOptions
  #unversioned = false

  constructor(adapter: Called, transport: Transport, options: OssOptions) {
    this.#adapter = adapter
    this.#transport = transport
    this.#options = options
  }

  async assertUnversioned(signal: AbortSignal | undefined): Promise<void> {
    if (this.#unversioned) return
    try {
      const { versionStatus } = await this.#run(undefined, signal, (client) =>
        client.getBucketVersioning(this.#transport.bucket, { headers: this.#transport.everyHeaders }),
      )
      if (versionStatus) throw versionedBucket({ adapter: this.#adapter, transport: this.#transport })
    } catch (error) {
      if (!isForbidden(error)) throw error
    }
    this.#unversioned = true
  }

  async restore(key: string, options: RestoreOptions, storageClass: string | undefined): Promise<void> {
    assertRestore(this.#adapter, key, options)
    const isCold = storageClass === 'ColdArchive' || storageClass === 'DeepColdArchive'
    try {
      await this.#run(key, options.signal, (client) =>
        client.restore(key, {
          type: storageClass ?? 'Archive',
          Days: options.days,
          headers: this.#transport.everyHeaders,
          ...(isCold ? { JobParameters: tiers[options.tier ?? 'standard'] } : {}),
        }),
      )
    } catch (error) {
      if (!hasCode(error, 'conflict')) throw error
    }
  }

  ask<T extends object>(
    signal: AbortSignal,
    ask: (client: Client, options: { headers: Readonly<Record<string, string>> }) => Promise<T>,
  ): Promise<Partial<T>> {
    return this.#run(undefined, signal, (client) => ask(client, { headers: this.#transport.everyHeaders })) as Promise<
      Partial<T>
    >
  }

  async #run<T>(
    key: string | undefined,
    signal: AbortSignal | undefined,
    ask: (client: Client) => Promise<T>,
  ): Promise<T | { versionStatus?: string }> {
    this.#transport.begin(signal)
    const sent: { failure?: unknown; status?: number } = {}
    const client = await this.#client(key, signal, sent)
    try {
      return await ask(client)
    } catch (error) {
      if (sent.failure !== undefined) throw sent.failure
      // The SDK takes 202 alone for a restore that was accepted; 200 says that the object can be read already.
      if (sent.status === 200) return {}
      throw this.#transport.mapError(error, key)
    }
  }

  async #client(
    key: string | undefined,
    signal: AbortSignal | undefined,
    sent: { failure?: unknown; status?: number },
  ): Promise<Client> {
    const AliOss = await loadAliOss()
    const transport = this.#transport
    const { accessKey, secretKey, sessionToken } = await transport.credentials.get()
    return new AliOss({
      accessKeyId: accessKey,
      accessKeySecret: secretKey,
      // The interval only keeps the SDK from writing advice to the console.
      ...(sessionToken === undefined ? {} : { stsToken: sessionToken, refreshSTSTokenInterval: 86_400_000 }),
      bucket: transport.bucket,
      endpoint: transport.address.endpoint,
      region: `oss-${transport.address.region}`,
      cname: this.#options.cname === true,
      authorizationV4: this.#options.signatureVersion !== 'v1',
      amendTimeSkewed: transport.clock.now() - Date.now(),
      urllib: {
        request: async (url, { method, headers, content }) => {
          try {
            const { pathname, search } = new URL(url)
            const body = content === undefined ? undefined : Buffer.from(content)
            const answer = await transport.send({
              method: method as 'GET' | 'POST',
              key,
              signal,
              signed: { path: pathname + search, headers: asText(headers) },
              ...(body === undefined ? {} : { body: () => body }),
            })
            sent.status = answer.status
            const res = { status: answer.status, headers: answer.headers }
            return { ...res, data: Buffer.from(answer.text), res }
          } catch (error) {
            sent.failure = error
            throw error
          }
        },
      },
    })
  }
}

/** The right to ask is missing. A wrong key or signature is another matter: it fails every call. */
function isForbidden(error: unknown): boolean {
  return (
    hasCode(error, 'access-denied') && (error.cause as Error | undefined)?.message.startsWith('AccessDenied') === true
  )
}
