import type { TestServer } from './server.ts'
import { s3Request } from './signed.ts'

/** Keys of a session that may do less than those of the server. */
export interface SessionKeys {
  readonly accessKey: string
  readonly secretKey: string
  readonly sessionToken: string
}

/** One permission: actions on resources, such as `s3:GetObject` on `bucket/*`. */
export interface Allowed {
  readonly actions: readonly string[]
  readonly on: readonly string[]
}

/** Makes keys of MinIO that may do only what is named: a session of AssumeRole with a policy of its own. */
export async function sessionKeys(server: TestServer, allowed: readonly Allowed[]): Promise<SessionKeys> {
  const policy = {
    Version: '2012-10-17',
    Statement: allowed.map(({ actions, on }) => ({
      Effect: 'Allow',
      Action: actions,
      Resource: on.map((name) => `arn:aws:s3:::${name}`),
    })),
  }
  const form = new URLSearchParams({
    Action: 'AssumeRole',
    Version: '2011-06-15',
    DurationSeconds: '3600',
    Policy: JSON.stringify(policy),
  })
  const { status, body } = await s3Request(server, {
    method: 'POST',
    path: '/',
    service: 'sts',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: form.toString(),
  })
  const text = (name: string): string => {
    const found = new RegExp(`<${name}>([^<]+)</${name}>`).exec(body)?.[1]
    if (found === undefined) throw new Error(`MinIO gave no session (${status}): ${body}`)
    return found
  }
  return { accessKey: text('AccessKeyId'), secretKey: text('SecretAccessKey'), sessionToken: text('SessionToken') }
}
