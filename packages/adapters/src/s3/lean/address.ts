import type { S3Options, S3Profile } from '../options.ts'
import type { S3Client, Sdk } from '../sdk.ts'
import { encodePart } from './encoding.ts'

/** Where a bucket's objects are, and for whom requests are signed. */
export interface Address {
  /** `https://host:port`, without a path. */
  origin: string
  /** The `host` header. */
  host: string
  /** What stands before an object's key: `/` or `/bucket/`. */
  root: string
  /** What is asked for a listing: `/` or `/bucket`. */
  bucketPath: string
  region: string
  /** Whether bytes could be changed on the way by somebody else. */
  exposed: boolean
}

/** Names that are a bucket's and nothing else, such as an access point's ARN. */
const plainBucket = /^[A-Za-z0-9][A-Za-z0-9._-]+$/

/**
 * Finds out where a bucket's objects are. An endpoint with the bucket in the path says it all. For everything else (regions, partitions,
 * FIPS, dual stack, profiles, access points) the SDK is asked: that is its knowledge.
 *
 * @returns `undefined` for buckets that ask for another signature than V4 with the account's own keys: the SDK must serve those
 */
export async function resolveAddress(
  options: S3Options,
  profile: S3Profile,
  load: () => Promise<{ sdk: Sdk; client: S3Client }>,
): Promise<Address | undefined> {
  const { bucket, endpoint } = options
  if (endpoint !== undefined && (options.pathStyle ?? profile.pathStyle(options)) && plainBucket.test(bucket)) {
    const url = new URL(endpoint)
    return address(url, `${url.pathname.replace(/\/+$/, '')}/${encodePart(bucket)}`, options.region ?? 'us-east-1')
  }
  const { sdk, client } = await load()
  return askSdk(sdk, client, bucket)
}

function address(url: URL, bucketPath: string, region: string): Address {
  return {
    origin: url.origin,
    host: url.host,
    root: bucketPath === '/' ? '/' : `${bucketPath}/`,
    bucketPath,
    region,
    exposed: url.protocol === 'http:' && !/^(localhost|127\..*|\[::1\])$/.test(url.hostname),
  }
}

/** What the SDK has worked out of a request before it signs it. */
interface Resolved {
  request: { protocol: string; hostname: string; port?: number; path: string }
  schemes: readonly { name: string; signingRegion?: string; signingName?: string }[]
}

/** Lets the SDK prepare a request that is never sent. */
async function askSdk(sdk: Sdk, client: S3Client, bucket: string): Promise<Address | undefined> {
  const command = new sdk.HeadObjectCommand({ Bucket: bucket, Key: 'k' })
  const resolved: Resolved[] = []
  command.middlewareStack.add(
    (_next, context) => async (args) => {
      const endpoint = (context as { endpointV2?: { properties?: { authSchemes?: Resolved['schemes'] } } }).endpointV2
      resolved.push({
        request: args.request as Resolved['request'],
        schemes: endpoint?.properties?.authSchemes ?? [],
      })
      return { output: { $metadata: {} }, response: undefined }
    },
    { step: 'build', priority: 'high', name: 'stowageAddress' },
  )
  await client.send(command)
  const [found] = resolved
  const scheme = found?.schemes[0]
  if (found === undefined || scheme?.name !== 'sigv4' || (scheme.signingName ?? 's3') !== 's3') return undefined
  const { protocol, hostname, port, path } = found.request
  if (!path.endsWith('/k')) return undefined
  const url = new URL(`${protocol}//${hostname}${port === undefined ? '' : `:${port}`}`)
  const region = scheme.signingRegion ?? (await client.config.region())
  return address(url, path.slice(0, -2) || '/', region)
}
