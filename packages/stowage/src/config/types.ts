import type { S3Quirk } from '@stowage/adapters'
import type { SourceType } from '@stowage/core'
import type { HealthConfig } from '../health/settings.ts'
import type { DecisionLogOptions } from '../routing/decision-log.ts'
import type { PolicyConfig } from './policy-types.ts'

/** One source, as the configuration file writes it. */
export interface SourceConfig {
  /** Lower-case letters, digits, `-` and `_`. */
  id: string
  type: SourceType
  /** @defaultValue the id */
  name?: string
  /** Base URL of the store. Not for `filesystem` and `memory`. */
  endpoint?: string
  bucket?: string
  region?: string
  accessKey?: string
  secretKey?: string
  sessionToken?: string
  /** The folder of a `filesystem` source, relative to the configuration file. */
  root?: string
  /** @defaultValue true */
  enabled?: boolean
  /** Reachable by external users. @defaultValue true for `oss`, false for the others */
  isPublic?: boolean
  /** A smaller number is tried first. @defaultValue 100 */
  priority?: number
  /** @defaultValue 1 */
  weight?: number
  /** Words for routing rules to match on. */
  labels?: Record<string, string>
  /** What reading a gigabyte costs, in any one currency; of two that are otherwise equal, reads take the cheaper. @defaultValue 0 */
  costPerGbRead?: number
  /** What keeping a gigabyte for a month costs, in the same currency, for writes. @defaultValue 0 */
  costPerGbStored?: number
  /** Address buckets as a path rather than a host name. @defaultValue true for `minio` and `rustfs` */
  pathStyle?: boolean
  tls?: { ca?: string }
  /** Allow `http:` to another machine. */
  allowPlainHttp?: boolean
  /** For sources of the catalog: allow an address in a private network. Those of a configuration may be anywhere but on metadata services. */
  allowPrivateNetwork?: boolean
  /** Write nothing to it: writes are refused, and probes only read. @defaultValue false */
  readOnly?: boolean
  /** What all users of the source together may do to it, in this process. */
  limits?: {
    /** Reads and listings at the same time, and as many writes. @defaultValue no limit but the connections */
    concurrency?: number
    /** Bytes a second. @defaultValue no limit */
    bandwidth?: { up?: number; down?: number }
  }
  /** How the objects of `s3`, `minio` and `rustfs` are sent. @defaultValue 'lean' */
  dataPath?: 'lean' | 'sdk'
  /** The endpoint of `oss` is a custom domain that is bound to the bucket. @defaultValue false */
  cname?: boolean
  /** The bucket of `oss` keeps versions. @defaultValue false */
  versioned?: boolean
  /** For endpoints of `oss` that know no other. @defaultValue 'v4' */
  signatureVersion?: 'v1' | 'v4'
  /** Sign requests with temporary credentials of this role, for which `accessKey` and `secretKey` ask STS. */
  assumeRole?: {
    roleArn: string
    /** Names these credentials in the account's audit logs. */
    sessionName: string
    /** What somebody else's AWS account asks for before it lets one in. */
    externalId?: string
    /** Narrows the role's rights: a policy of RAM or IAM, as JSON. */
    policy?: string
    /** @defaultValue 3600 */
    durationSeconds?: number
    /** @defaultValue 'https://sts.aliyuncs.com' for `oss`, AWS's for `s3`, the store's own for the others */
    endpoint?: string
  }
  /** Pay for requests to a bucket of `oss` in place of its owner. @defaultValue false */
  requestPayer?: boolean
  /**
   * How the store encrypts what is written: with keys of its own (`sse-s3`; `sse-oss` for `oss`), or of its key service.
   * @defaultValue what the bucket is set to
   */
  encryption?:
    | { type: 'sse-s3' }
    | { type: 'sse-oss' }
    | { type: 'sse-kms'; keyId?: string; bucketKey?: boolean; context?: Record<string, string> }
  /** Connections at the same time. @defaultValue 64 */
  maxSockets?: number
  /** Milliseconds for a connection to come about. @defaultValue 10000 */
  connectTimeoutMs?: number
  /** Milliseconds without a byte in either direction after which a call fails with `timeout`. @defaultValue 60000 */
  inactivityTimeoutMs?: number
  /** Attempts of one request, the first included. @defaultValue 3 */
  attempts?: number
  /** What a finished write to a `filesystem` source survives: the end of the process, or a loss of power. @defaultValue 'process' */
  durability?: 'process' | 'power'
  /** Presigns writes of `s3`, `minio` and `rustfs` with temporary credentials for that one object. */
  narrowing?: { roleArn?: string; stsEndpoint?: string }
  /**
   * What the store of an `s3`, `minio` or `rustfs` source does differently from AWS S3, beside what its type says; for stores that have no
   * type of their own. docs/stores.md tells what each quirk changes.
   * @defaultValue none
   */
  quirks?: S3Quirk[]
  /** URLs of a `filesystem` or `memory` source, which `presignHandler` serves there. Only in a configuration, since it is a secret. */
  presign?: { baseUrl: string; secret: string }
  /** Whether symbolic links inside a `filesystem` source are followed. @defaultValue 'follow' */
  symlinks?: 'follow' | 'skip'
  /** Make the root of a `filesystem` source when it does not exist. @defaultValue false */
  create?: boolean
  /** The folder in the source under which datasets lie. @defaultValue 'datasets' */
  datasetRoot?: string
  /** Makes the source a cache: what was read longest ago leaves it when it fills up, and stays elsewhere. */
  cache?: CacheConfig
}

/** Bytes: a number, or a text such as `500G` or `1.5T`, by powers of 1024. */
export type Size = number | string

/** A source that keeps what is read, and no more than fits. Only what datasets take is counted, by their files. */
export interface CacheConfig {
  /** The most that datasets may take on it. */
  capacity: Size
  /** Above it, replicas are evicted: bytes, or a part of the capacity such as `90%`. @defaultValue '90%' */
  highWater?: Size
  /** Down to it. @defaultValue '80%' */
  lowWater?: Size
  /** Ready and undamaged replicas, on sources that can be read, that must be left elsewhere when one leaves. @defaultValue 1 */
  minimumCopies?: number
  /** Evict primaries, too: replicas that were uploaded here. @defaultValue false */
  primaries?: boolean
  /** Datasets that are never evicted, by id or name, or a version of one as `NAME@3`. More can be pinned while running. */
  pins?: string[]
  /**
   * Milliseconds from when a replica is marked, and not chosen any more, until its bytes go. What is read by a stream stays for twice as long
   * after its last block, what may be read by a URL that was given out until that ends. @defaultValue 900000
   */
  graceMs?: number
}

/** Where datasets, tasks and the ledger are kept. */
export type CatalogConfig =
  | { type: 'sqlite'; path: string }
  | {
      /** For several machines. Needs the package `pg`. */
      type: 'postgres'
      /** `postgres://user:password@host:5432/database`; over TLS to another machine unless it says `?sslmode=disable`. */
      url: string
      /** @defaultValue 'stowage' */
      schema?: string
      /** @defaultValue 10 */
      maxConnections?: number
      tls?: { ca?: string }
    }
  | { type: 'memory' }

/**
 * What credentials in the catalog are sealed with. Without it `STOWAGE_MASTER_KEY` is looked for in the environment; where that is not set
 * either, sources in the catalog cannot have credentials.
 */
export interface VaultConfig {
  /** One master key, 32 bytes in base64 or hexadecimal, or several as `2:KEY,1:KEY`; best as `{ "env": "NAME" }`. */
  key?: string
  /** A file with them, which nobody else may read. */
  keyFile?: string
  /** Records under an older master key are refused. @defaultValue 1 */
  minimumVersion?: number
}

/** Where sources that are added at run time may be. */
export interface NetworkConfig {
  /** Also on this machine; for development. @defaultValue false */
  allowLoopback?: boolean
}

/** How replicas are read again and again, so that rot is found and mended while there is a good copy. */
export interface ScrubConfig {
  /** @defaultValue true */
  enabled?: boolean
  /** Each byte of each replica is read within so many days. @defaultValue 30 */
  everyDays?: number
  /**
   * Bytes that are read of each source in an hour of the clock, at most; 64 MiB or more.
   * @defaultValue what it takes to reach each byte in time, and 1 GiB or more
   */
  bytesPerHour?: number
}

/** A machine that asks. */
export interface NodeConfig {
  region?: string
  /** Words for rules to match on. */
  labels?: Record<string, string>
  /**
   * The sources that are mounted on it: their ids, where they are `filesystem` sources with the same root there; or by id the folder under
   * which the keys of the source lie as files there, as of a bucket that is mounted.
   */
  mounts?: string[] | Record<string, string>
}

/** How sources are chosen. */
export interface RoutingConfig {
  /** Rules as data, see `@stowage/router`. @defaultValue external users write to public sources, internal ones to the others */
  rules?: unknown[]
  /** Whether the default rules apply too. @defaultValue true */
  defaults?: boolean
  /** Whether reads may try unhealthy sources when no healthy one is left. @defaultValue 'reads' */
  panic?: 'reads' | 'never'
  /** A JSON file with rules, in place of those here and in the catalog. Changes of it are taken over within a second. */
  rulesFile?: string
  /** Machines that ask, by id. */
  nodes?: Record<string, NodeConfig>
  /** How decisions are kept. */
  log?: DecisionLogOptions
  /** How the health of sources is judged and looked after. */
  health?: HealthConfig
  regions?: {
    /** Distance from one region to another, in any unit, such as milliseconds. Missing pairs take the reverse pair, else the default. */
    distances?: Record<string, Record<string, number>>
    /** @defaultValue 1000 */
    default?: number
  }
}

/** How tasks wait and are done. */
export interface QueueWork {
  /** Tasks at a time in one process. @defaultValue 4 */
  concurrency?: number
  /** Tasks at a time that read from or write to one source, in all processes together. @defaultValue no limit */
  perSource?: number
  /** Tasks that have ended, or were given up, are dropped after so many days, and the oldest when there are more. */
  retention?: {
    /** @defaultValue 30 */
    days?: number
    /** @defaultValue 10000 */
    tasks?: number
  }
}

/** What brings tasks to workers. The tasks themselves are in the catalog. */
export type QueueConfig =
  | ({ type: 'local' } & QueueWork)
  | ({
      /** For many workers on many machines. Needs the packages `bullmq` and `ioredis`. */
      type: 'bullmq'
      /** `redis://user:password@host:6379/0`, or `rediss://…` for TLS with a certificate that is checked. */
      redis: string
      /** Before every key in Redis, so that several Stowages can share one. @defaultValue 'stowage' */
      prefix?: string
      tls?: { ca?: string }
    } & QueueWork)

/** The configuration of Stowage: a file, or the argument of `createStowage()`. */
export interface StowageConfig {
  /** Read-only at run time; may be empty when the catalog has sources. */
  sources: SourceConfig[]
  /** @defaultValue `{ type: 'sqlite', path: './.stowage/catalog.db' }` for a file, `{ type: 'memory' }` for an object */
  catalog?: CatalogConfig
  /** @defaultValue `{ type: 'local' }` */
  queue?: QueueConfig
  routing?: RoutingConfig
  policies?: PolicyConfig[]
  scrub?: ScrubConfig
  vault?: VaultConfig
  network?: NetworkConfig
}

/** A type in which every string may also be `{ env: 'NAME' }`, the name of the environment variable that holds it. */
export type WithEnv<T> = T extends string
  ? T | { env: string }
  : T extends readonly (infer U)[]
    ? WithEnv<U>[]
    : T extends object
      ? { [K in keyof T]: WithEnv<T[K]> }
      : T

/** What callers write: a {@link StowageConfig} whose strings may come from the environment. */
export type StowageConfigInput = WithEnv<StowageConfig>
