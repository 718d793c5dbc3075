import { s3Quirks } from '@stowage/adapters'
import { sourceTypes } from '@stowage/core'
import * as z from 'zod'
import { cacheSchema } from './cache-schema.ts'
import { healthSchema } from './health-schema.ts'
import { policySchema } from './policy-schema.ts'

const id = z.string().regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'takes lower-case letters, digits, "-" and "_", 63 at most')

/** The least that may be read of a source an hour: a block of a file fits in, whatever else was read. */
const MIN_BYTES_PER_HOUR = 64 * 1024 * 1024

const count = z.number().int().positive()

/** Options that only some types have. */
const optionsOf: Readonly<Record<string, readonly string[]>> = {
  root: ['filesystem'],
  durability: ['filesystem'],
  symlinks: ['filesystem'],
  create: ['filesystem'],
  presign: ['filesystem', 'memory'],
  dataPath: ['s3', 'minio', 'rustfs'],
  cname: ['oss'],
  versioned: ['oss'],
  signatureVersion: ['oss'],
  assumeRole: ['oss', 's3', 'minio', 'rustfs'],
  narrowing: ['s3', 'minio', 'rustfs'],
  quirks: ['s3', 'minio', 'rustfs'],
  requestPayer: ['oss'],
  encryption: ['s3', 'minio', 'rustfs', 'oss'],
}

const assumeRole = z.strictObject({
  roleArn: z.string().min(1),
  sessionName: z.string().min(1),
  externalId: z.string().min(1).optional(),
  policy: z.string().min(1).optional(),
  durationSeconds: count.optional(),
  endpoint: z.url({ protocol: /^https?$/, error: 'must be an http or https URL' }).optional(),
})

/** Which of them a store knows is said by its adapter. */
const encryption = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('sse-s3') }),
  z.strictObject({ type: z.literal('sse-oss') }),
  z.strictObject({
    type: z.literal('sse-kms'),
    keyId: z.string().min(1).optional(),
    bucketKey: z.boolean().optional(),
    context: z.record(z.string(), z.string()).optional(),
  }),
])

/** One source. */
export const sourceSchema: z.ZodType<unknown> = z
  .strictObject({
    id,
    type: z.enum(sourceTypes),
    name: z.string().min(1).optional(),
    endpoint: z.url({ protocol: /^https?$/, error: 'must be an http or https URL' }).optional(),
    bucket: z.string().min(1).optional(),
    region: z.string().min(1).optional(),
    accessKey: z.string().min(1).optional(),
    secretKey: z.string().min(1).optional(),
    sessionToken: z.string().min(1).optional(),
    root: z.string().min(1).optional(),
    enabled: z.boolean().optional(),
    isPublic: z.boolean().optional(),
    priority: z.number().optional(),
    weight: z.number().positive().optional(),
    labels: z.record(z.string().min(1), z.string()).optional(),
    costPerGbRead: z.number().nonnegative().optional(),
    costPerGbStored: z.number().nonnegative().optional(),
    pathStyle: z.boolean().optional(),
    tls: z.strictObject({ ca: z.string().optional() }).optional(),
    allowPlainHttp: z.boolean().optional(),
    allowPrivateNetwork: z.boolean().optional(),
    datasetRoot: z.string().optional(),
    cache: cacheSchema.optional(),
    readOnly: z.boolean().optional(),
    limits: z
      .strictObject({
        concurrency: count.optional(),
        bandwidth: z
          .strictObject({ up: z.number().positive().optional(), down: z.number().positive().optional() })
          .optional(),
      })
      .optional(),
    dataPath: z.enum(['lean', 'sdk']).optional(),
    cname: z.boolean().optional(),
    versioned: z.boolean().optional(),
    signatureVersion: z.enum(['v1', 'v4']).optional(),
    assumeRole: assumeRole.optional(),
    narrowing: z
      .strictObject({ roleArn: z.string().min(1).optional(), stsEndpoint: z.url({ protocol: /^https?$/ }).optional() })
      .optional(),
    quirks: z.array(z.enum(s3Quirks, { error: `must be one of ${s3Quirks.join(', ')}` })).optional(),
    requestPayer: z.boolean().optional(),
    encryption: encryption.optional(),
    maxSockets: count.optional(),
    connectTimeoutMs: count.optional(),
    inactivityTimeoutMs: count.optional(),
    attempts: count.optional(),
    durability: z.enum(['process', 'power']).optional(),
    symlinks: z.enum(['follow', 'skip']).optional(),
    create: z.boolean().optional(),
    presign: z.strictObject({ baseUrl: z.url({ protocol: /^https?$/ }), secret: z.string().min(32) }).optional(),
  })
  .superRefine((value, context) => {
    const needs = (field: 'endpoint' | 'bucket' | 'root' | 'accessKey' | 'secretKey') => {
      if (value[field] === undefined) {
        context.addIssue({ code: 'custom', path: [field], message: `is needed for type "${value.type}"` })
      }
    }
    const refuses = (field: string) => {
      if (value[field as keyof typeof value] !== undefined) {
        context.addIssue({ code: 'custom', path: [field], message: `is not used by type "${value.type}"` })
      }
    }
    for (const [field, types] of Object.entries(optionsOf)) if (!types.includes(value.type)) refuses(field)
    if (value.type === 'filesystem') needs('root')
    if (value.type === 'filesystem' || value.type === 'memory') {
      refuses('endpoint')
      refuses('bucket')
      return
    }
    needs('bucket')
    // The region alone tells the address of AWS and of OSS.
    if (value.type !== 's3' && (value.type !== 'oss' || value.region === undefined)) needs('endpoint')
    if (value.assumeRole !== undefined && value.type === 'oss') {
      needs('accessKey')
      needs('secretKey')
      if (value.sessionToken !== undefined) {
        context.addIssue({ code: 'custom', path: ['sessionToken'], message: 'is not used with assumeRole' })
      }
      if (value.assumeRole.externalId !== undefined) {
        context.addIssue({ code: 'custom', path: ['assumeRole', 'externalId'], message: 'is not known to OSS' })
      }
    }
    if ((value.accessKey === undefined) !== (value.secretKey === undefined)) {
      needs('accessKey')
      needs('secretKey')
    }
  })

const work = {
  concurrency: count.max(1024).optional(),
  perSource: count.max(1024).optional(),
  retention: z
    .strictObject({
      days: z.number().nonnegative().max(36_500).optional(),
      tasks: z.number().int().nonnegative().optional(),
    })
    .optional(),
}

/** The configuration, after variables were put in. Unknown keys are errors. */
export const configSchema: z.ZodType<unknown> = z.strictObject({
  $schema: z.string().optional(),
  sources: z.array(sourceSchema),
  catalog: z
    .discriminatedUnion('type', [
      z.strictObject({ type: z.literal('sqlite'), path: z.string().min(1) }),
      z.strictObject({
        type: z.literal('postgres'),
        url: z.string().regex(/^postgres(ql)?:\/\//, 'must be postgres://user:password@host:5432/database'),
        schema: z.string().min(1).optional(),
        maxConnections: z.number().int().positive().optional(),
        tls: z.strictObject({ ca: z.string().optional() }).optional(),
      }),
      z.strictObject({ type: z.literal('memory') }),
    ])
    .optional(),
  queue: z
    .discriminatedUnion('type', [
      z.strictObject({ type: z.literal('local'), ...work }),
      z.strictObject({
        type: z.literal('bullmq'),
        redis: z.string().regex(/^rediss?:\/\//, 'must be redis://user:password@host:6379/0, or rediss:// for TLS'),
        prefix: z
          .string()
          .regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'takes lower-case letters, digits, "-" and "_", 63 at most')
          .optional(),
        tls: z.strictObject({ ca: z.string().optional() }).optional(),
        ...work,
      }),
    ])
    .optional(),
  routing: z
    .strictObject({
      rules: z.array(z.unknown()).optional(),
      defaults: z.boolean().optional(),
      panic: z.enum(['reads', 'never']).optional(),
      rulesFile: z.string().min(1).optional(),
      nodes: z
        .record(
          z.string().min(1),
          z.strictObject({
            region: z.string().min(1).optional(),
            labels: z.record(z.string(), z.string()).optional(),
            mounts: z
              .union([
                z.array(z.string()),
                z.record(z.string().min(1), z.string().startsWith('/', 'must be the path of a folder, from "/"')),
              ])
              .optional(),
          }),
        )
        .optional(),
      log: z
        .strictObject({
          memory: z.number().int().nonnegative().optional(),
          catalog: z.boolean().optional(),
          days: z.number().positive().optional(),
          batches: count.optional(),
          traces: z.number().min(0).max(1).optional(),
        })
        .optional(),
      health: healthSchema.optional(),
      regions: z
        .strictObject({
          distances: z.record(z.string(), z.record(z.string(), z.number().nonnegative())).optional(),
          default: z.number().nonnegative().optional(),
        })
        .optional(),
    })
    .optional(),
  policies: z.array(policySchema).optional(),
  scrub: z
    .strictObject({
      enabled: z.boolean().optional(),
      everyDays: z.number().positive().max(3650).optional(),
      bytesPerHour: z.number().int().min(MIN_BYTES_PER_HOUR, 'takes 67108864 (64 MiB) or more').optional(),
    })
    .optional(),
  vault: z
    .strictObject({
      key: z.string().min(1).optional(),
      keyFile: z.string().min(1).optional(),
      minimumVersion: count.optional(),
    })
    .refine(({ key, keyFile }) => (key === undefined) !== (keyFile === undefined), {
      path: ['key'],
      error: 'takes either a key or a keyFile',
    })
    .optional(),
  network: z.strictObject({ allowLoopback: z.boolean().optional() }).optional(),
})
