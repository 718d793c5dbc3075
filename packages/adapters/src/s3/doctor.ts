import type { DiagnoseOptions, Diagnosis, ProbeResult } from '@stowage/core'
import { type BucketQuestions, examineBucket } from '../shared/bucket-doctor.ts'
import { diagnoseWithin } from '../shared/findings.ts'
import type { ProbeSteps } from '../shared/index.ts'
import type { S3Context } from './objects.ts'
import type { S3Options, S3Profile } from './options.ts'
import { leastPolicy } from './policy.ts'
import { tryRights } from './rights.ts'

/** What {@link diagnoseS3} is told of the source. */
export interface S3Patient {
  readonly context: S3Context
  readonly options: S3Options
  readonly profile: S3Profile
  readonly steps: ProbeSteps
  readonly probe: (options: { signal: AbortSignal; write: boolean }) => Promise<ProbeResult>
}

/** Looks at a bucket of S3 or what speaks like it, through the SDK's calls. */
export function diagnoseS3(patient: S3Patient, options: DiagnoseOptions): Promise<Diagnosis> {
  const { context, options: source, profile } = patient
  const { connection, adapter } = context
  const write = options.write ?? true
  return diagnoseWithin(connection.clock, options, (findings, diagnosis, signal) => {
    const region = source.region ?? (source.endpoint === undefined ? 'us-east-1' : undefined)
    const url = source.endpoint === undefined ? undefined : new URL(source.endpoint)
    const { bucket, clock } = connection
    const policy = leastPolicy(bucket, profile.type === 's3' ? region : undefined)
    const known = { bucket, region, url, clock, policy, capabilities: adapter.capabilities }
    return examineBucket(questionsOf(patient, signal), known, write, findings, diagnosis)
  })
}

function questionsOf({ context, profile, steps, probe }: S3Patient, signal: AbortSignal): BucketQuestions {
  const { connection } = context
  const { bucket: Bucket } = connection
  const once = { signal, attempts: 1 }
  const minio = profile.type === 'minio'
  return {
    bucket: async () => {
      // HEAD answers no reason: a listing tells it.
      await steps.ask?.(signal)
      let date: string | undefined
      const answer = await connection.send(once, ({ sdk, client, http }) => {
        const command = new sdk.HeadBucketCommand({ Bucket })
        command.middlewareStack.add(
          (next) => async (args) => {
            const result = await next(args)
            date = (result.response as { headers?: Record<string, string> }).headers?.['date']
            return result
          },
          { step: 'deserialize', name: 'stowageDate' },
        )
        return client.send(command, http)
      })
      return { region: answer.BucketRegion, date }
    },
    versioning: async () => {
      const { Status } = await connection.send(once, ({ sdk, client, http }) =>
        client.send(new sdk.GetBucketVersioningCommand({ Bucket }), http),
      )
      return Status
    },
    cors: minio
      ? 'MinIO has no CORS rules of buckets: the server answers browsers by MINIO_API_CORS_ALLOW_ORIGIN, and exposes ETag.'
      : async () => {
          const { CORSRules = [] } = await connection.send(once, ({ sdk, client, http }) =>
            client.send(new sdk.GetBucketCorsCommand({ Bucket }), http),
          )
          return CORSRules.map(({ AllowedMethods = [], ExposeHeaders = [] }) => ({
            methods: AllowedMethods,
            exposed: ExposeHeaders,
          }))
        },
    lifecycle: async () => {
      const { Rules = [] } = await connection.send(once, ({ sdk, client, http }) =>
        client.send(new sdk.GetBucketLifecycleConfigurationCommand({ Bucket }), http),
      )
      const enabled = Rules.filter(({ Status }) => Status === 'Enabled')
      return {
        abortsUploads: enabled.some((rule) => rule.AbortIncompleteMultipartUpload !== undefined),
        expiresVersions: enabled.some((rule) => rule.NoncurrentVersionExpiration !== undefined),
      }
    },
    ...(minio
      ? { ownCleaning: 'MinIO throws unfinished uploads away by itself, after a day unless set otherwise.' }
      : {}),
    permissions: (write) => tryRights(context, steps, write, signal),
    probe: () => probe({ signal, write: false }),
  }
}
