import { type Gate, wrongOption } from '../shared/index.ts'
import { encodePath } from './encode.ts'
import type { OssOptions } from './options.ts'

/** Where the requests of a bucket go. */
export interface BucketAddress {
  /** Protocol, host and port. */
  readonly origin: string
  /** Host and port, as they are shown. */
  readonly host: string
  readonly isPlain: boolean
  /** The region's own address, without the bucket; with a custom domain, that. */
  readonly endpoint: string
  /** Such as `cn-hangzhou`; empty when it is not known and signatures do not need it. */
  readonly region: string
}

/** OSS's own names tell their region: `oss-cn-hangzhou.aliyuncs.com`, `oss-cn-hangzhou-internal.aliyuncs.com`. */
const ownName = /^oss-(.+?)(-internal)?\.aliyuncs\.com$/
/** https://www.alibabacloud.com/help/en/oss/user-guide/bucket-naming-conventions */
const bucketName = /^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/

/** The address of a source's bucket. OSS knows no bucket in the path. @throws StowageError `configuration` */
export function bucketAddress(options: OssOptions, gate: Gate): BucketAddress {
  const { id, bucket, cname } = options
  if (!bucket) throw wrongOption(id, 'bucket', 'is missing')
  if (!bucketName.test(bucket)) throw wrongOption(id, 'bucket', 'is no name that OSS allows')
  const given = options.endpoint === undefined ? undefined : gate.endpoint(options.endpoint)
  if (given !== undefined && given.pathname !== '/') throw wrongOption(id, 'endpoint', 'must not have a path')
  if (given === undefined && cname === true) throw wrongOption(id, 'endpoint', 'is missing: the custom domain')
  const region = (options.region ?? regionOf(given?.hostname))?.replace(/^oss-/, '')
  if (region === undefined && (given === undefined || options.signatureVersion !== 'v1')) {
    throw wrongOption(id, 'region', 'is missing', 'Set it to the region of the bucket, such as cn-hangzhou.')
  }
  if (region !== undefined && !/^[a-z0-9-]+$/.test(region)) throw wrongOption(id, 'region', 'is no name of a region')
  const url = given ?? new URL(`https://oss-${region}.aliyuncs.com`)
  const host = cname === true ? url.host : `${bucket}.${url.host}`
  return {
    origin: `${url.protocol}//${host}`,
    host,
    isPlain: url.protocol === 'http:',
    endpoint: url.origin,
    region: region ?? '',
  }
}

/** The path of a key, or of the bucket itself. */
export function pathOf(key: string): string {
  return `/${encodePath(key)}`
}

function regionOf(hostname: string | undefined): string | undefined {
  const region = ownName.exec(hostname ?? '')?.[1]
  return region?.startsWith('accelerate') ? undefined : region
}
