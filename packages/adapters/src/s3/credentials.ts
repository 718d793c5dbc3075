import { StowageError } from '@stowage/core'
import type { S3Credentials, S3Options } from './options.ts'
import { loadCredentialProviders, type S3Client } from './sdk.ts'

type Provider = () => Promise<Awaited<ReturnType<S3Client['config']['credentials']>>>

/** What the SDK is given as credentials; nothing, so that it looks where it always does (environment, profiles, roles). */
export async function credentialsOf(
  options: S3Options,
  connection: { region: string; requestHandler: object },
): Promise<{ credentials?: Provider | Awaited<ReturnType<Provider>> }> {
  const { accessKey, secretKey, sessionToken, credentials, assumeRole } = options
  const own =
    credentials !== undefined
      ? providerOf(options.id, credentials)
      : accessKey === undefined || secretKey === undefined
        ? undefined
        : {
            accessKeyId: accessKey,
            secretAccessKey: secretKey,
            ...(sessionToken === undefined ? {} : { sessionToken }),
          }
  if (assumeRole === undefined) return own === undefined ? {} : { credentials: own }
  const { fromTemporaryCredentials } = await loadCredentialProviders()
  const { roleArn, sessionName, externalId, policy, durationSeconds } = assumeRole
  const endpoint = assumeRole.endpoint ?? ownEndpoint(options)
  return {
    credentials: fromTemporaryCredentials({
      ...(own === undefined ? {} : { masterCredentials: own }),
      params: {
        RoleArn: roleArn,
        RoleSessionName: sessionName,
        DurationSeconds: durationSeconds ?? 3600,
        ...(externalId === undefined ? {} : { ExternalId: externalId }),
        ...(policy === undefined ? {} : { Policy: policy }),
      },
      clientConfig: { ...connection, ...(endpoint === undefined ? {} : { endpoint }) },
    }),
  }
}

/** A store that is not AWS's has its token service where it is itself. */
export function ownEndpoint({ endpoint }: S3Options): string | undefined {
  return endpoint !== undefined && /\.amazonaws\.com(\.cn)?\/?$/.test(endpoint) ? undefined : endpoint
}

/** The SDK keeps what it is given until five minutes before its end, and asks once for many calls. */
function providerOf(id: string, give: NonNullable<S3Options['credentials']>): Provider {
  return async () => {
    let given: S3Credentials
    try {
      given = await give()
    } catch (error) {
      // The message may quote a request; the name alone is safe.
      const name = error instanceof Error ? error.name : typeof error
      throw denied(id, `no credentials were given (${name})`, true)
    }
    if (!given?.accessKey || !given.secretKey) throw denied(id, 'the credentials given lack a key', false)
    const { accessKey, secretKey, sessionToken, expiresAt } = given
    return {
      accessKeyId: accessKey,
      secretAccessKey: secretKey,
      ...(sessionToken === undefined ? {} : { sessionToken }),
      ...(expiresAt === undefined ? {} : { expiration: new Date(expiresAt) }),
    }
  }
}

function denied(id: string, what: string, retryable: boolean): StowageError {
  return new StowageError('access-denied', `${id}: ${what}.`, {
    sourceId: id,
    retryable,
    hint: 'Look at the function given as credentials: it must return accessKey and secretKey.',
  })
}
