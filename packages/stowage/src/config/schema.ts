import { sourceTypes } from '@stowage/core'
import { z } from 'zod'

const id = z.string().regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'takes lower-case letters, digits, "-" and "_", 63 at most')

const source = z
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
    pathStyle: z.boolean().optional(),
    tls: z.strictObject({ ca: z.string().optional() }).optional(),
    allowPlainHttp: z.boolean().optional(),
    allowPrivateNetwork: z.boolean().optional(),
    datasetRoot: z.string().optional(),
  })
  .superRefine((value, context) => {
    const needs = (field: 'endpoint' | 'bucket' | 'root' | 'accessKey' | 'secretKey') => {
      if (value[field] === undefined) {
        context.addIssue({ code: 'custom', path: [field], message: `is needed for type "${value.type}"` })
      }
    }
    const refuses = (field: 'endpoint' | 'bucket' | 'root') => {
      if (value[field] !== undefined) {
        context.addIssue({ code: 'custom', path: [field], message: `is not used by type "${value.type}"` })
      }
    }
    if (value.type === 'filesystem') needs('root')
    else refuses('root')
    if (value.type === 'filesystem' || value.type === 'memory') {
      refuses('endpoint')
      refuses('bucket')
      return
    }
    needs('bucket')
    if (value.type !== 's3') needs('endpoint')
    if ((value.accessKey === undefined) !== (value.secretKey === undefined)) {
      needs('accessKey')
      needs('secretKey')
    }
  })

const policy = z
  .strictObject({
    id,
    on: z.enum(['publish', 'event']),
    from: z.string().min(1),
    to: z.string().min(1),
    tags: z.array(z.string()).optional(),
    enabled: z.boolean().optional(),
  })
  .superRefine((value, context) => {
    if (value.on !== 'event') return
    for (const field of ['from', 'to'] as const) {
      if (!value[field].includes(':')) {
        context.addIssue({ code: 'custom', path: [field], message: 'must be a location, SOURCE_ID:PREFIX' })
      }
    }
    if (value.tags !== undefined)
      context.addIssue({ code: 'custom', path: ['tags'], message: 'is for policies on "publish"' })
  })

/** The configuration, after variables were put in. Unknown keys are errors. */
export const configSchema: z.ZodType<unknown> = z.strictObject({
  $schema: z.string().optional(),
  sources: z.array(source).min(1),
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
  queue: z.strictObject({ type: z.literal('local') }).optional(),
  routing: z
    .strictObject({
      rules: z.array(z.unknown()).optional(),
      regions: z
        .strictObject({
          distances: z.record(z.string(), z.record(z.string(), z.number().nonnegative())).optional(),
          default: z.number().nonnegative().optional(),
        })
        .optional(),
    })
    .optional(),
  policies: z.array(policy).optional(),
})
