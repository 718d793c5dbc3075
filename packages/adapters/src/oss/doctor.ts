import type { DiagnoseOptions, Diagnosis, ProbeResult } from '@stowage/core'
import { type BucketQuestions, examineBucket } from '../shared/bucket-doctor.ts'
import { diagnoseWithin } from '../shared/findings.ts'
import type { ProbeSteps } from '../shared/index.ts'
import type { OssContext } from './context.ts'
import { leastPolicy } from './policy.ts'
import { tryRights } from './rights.ts'

/** Looks at a bucket of OSS, through the vendor's SDK where it is about the bucket itself. */
export function diagnoseOss(
  context: OssContext,
  steps: ProbeSteps,
  probe: (options: { signal: AbortSignal; write: boolean }) => Promise<ProbeResult>,
  options: DiagnoseOptions,
): Promise<Diagnosis> {
  const { adapter, transport } = context
  const { bucket, clock, address } = transport
  const write = options.write ?? true
  return diagnoseWithin(clock, options, (findings, diagnosis, signal) => {
    const known = {
      bucket,
      region: address.region,
      url: new URL(address.endpoint),
      clock,
      policy: leastPolicy(bucket),
      capabilities: adapter.capabilities,
    }
    const ask: BucketQuestions = {
      ...questionsOf(context, signal),
      permissions: (tryWrites) => tryRights(context, steps, tryWrites, signal),
      probe: () => probe({ signal, write: false }),
    }
    return examineBucket(ask, known, write, findings, diagnosis)
  })
}

function questionsOf(
  { control, transport: { bucket } }: OssContext,
  signal: AbortSignal,
): Pick<BucketQuestions, 'bucket' | 'versioning' | 'cors' | 'lifecycle'> {
  return {
    bucket: async () => {
      const { bucket: info, res } = await control.ask(signal, (client, options) =>
        client.getBucketInfo(bucket, options),
      )
      return { region: info?.Location?.replace(/^oss-/, ''), date: res?.headers['date'] }
    },
    versioning: async () => {
      const answer = await control.ask(signal, (client, options) => client.getBucketVersioning(bucket, options))
      return answer.versionStatus || undefined
    },
    cors: async () => {
      const { rules = [] } = await control.ask(signal, (client, options) => client.getBucketCORS(bucket, options))
      return rules.map(({ allowedMethod, exposeHeader }) => ({
        methods: listOf(allowedMethod),
        exposed: listOf(exposeHeader),
      }))
    },
    lifecycle: async () => {
      const answer = await control.ask(signal, (client, options) => client.getBucketLifecycle(bucket, options))
      const enabled = (answer.rules ?? []).filter(({ status }) => status === 'Enabled')
      return {
        abortsUploads: enabled.some((rule) => rule.abortMultipartUpload !== undefined),
        expiresVersions: enabled.some((rule) => rule.noncurrentVersionExpiration !== undefined),
      }
    },
  }
}

/** The SDK gives one value as it is, and several as a list. */
function listOf(value: string | string[] | undefined): readonly string[] {
  return value === undefined ? [] : Array.isArray(value) ? value : [value]
}
