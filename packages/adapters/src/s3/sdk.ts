import { StowageError } from '@stowage/core'

/** The AWS SDK, as far as it is used. Types alone: nothing is loaded by this import. */
export type Sdk = typeof import('@aws-sdk/client-s3')
export type S3Client = import('@aws-sdk/client-s3').S3Client
type Presigner = typeof import('@aws-sdk/s3-request-presigner')
type CredentialProviders = typeof import('@aws-sdk/credential-providers')

/**
 * Loads the AWS SDK, an optional peer dependency.
 * @throws StowageError `configuration` that says what to install
 */
export function loadSdk(): Promise<Sdk> {
  return load(() => import('@aws-sdk/client-s3'), '@aws-sdk/client-s3')
}

/** Loads the SDK's presigner, an optional peer dependency. @throws StowageError `configuration` */
export function loadPresigner(): Promise<Presigner> {
  return load(() => import('@aws-sdk/s3-request-presigner'), '@aws-sdk/s3-request-presigner')
}

/** Loads the SDK's credential providers, an optional peer dependency. @throws StowageError `configuration` */
export function loadCredentialProviders(): Promise<CredentialProviders> {
  return load(() => import('@aws-sdk/credential-providers'), '@aws-sdk/credential-providers')
}

async function load<T>(importer: () => Promise<T>, name: string): Promise<T> {
  try {
    return await importer()
  } catch (error) {
    throw new StowageError('configuration', `The package ${name} is missing.`, {
      cause: error,
      hint: `Run: npm install ${name}`,
    })
  }
}
