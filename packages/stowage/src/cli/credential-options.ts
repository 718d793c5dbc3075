import { readFile } from 'node:fs/promises'
import { StowageError } from '@stowage/core'
import type { Command } from 'commander'
import * as z from 'zod'
import type { Credentials } from '../sources/index.ts'
import type { Io } from './output.ts'

/** Ways to give credentials that no list of processes shows. */
export interface CredentialFlags {
  accessKeyEnv?: string
  secretKeyEnv?: string
  sessionTokenEnv?: string
  credentialsFile?: string
  credentialsStdin?: boolean
}

const shape = z.strictObject({
  accessKey: z.string().min(1),
  secretKey: z.string().min(1),
  sessionToken: z.string().min(1).optional(),
})

/** Adds the options. Keys themselves are never arguments: other users of the machine could read them. */
export function credentialOptions(command: Command): Command {
  return command
    .option('--access-key-env <name>', 'the environment variable that holds the access key')
    .option('--secret-key-env <name>', 'the environment variable that holds the secret key')
    .option('--session-token-env <name>', 'the environment variable that holds a session token')
    .option('--credentials-file <path>', 'a file with JSON: {"accessKey", "secretKey", "sessionToken"?}')
    .option('--credentials-stdin', 'the same JSON on the standard input')
}

/** The credentials that the options name, if they name any. @throws StowageError `configuration` naming the option */
export async function readCredentials(flags: CredentialFlags, io: Io): Promise<Credentials | undefined> {
  const { accessKeyEnv, secretKeyEnv, sessionTokenEnv, credentialsFile, credentialsStdin } = flags
  const fromEnv = accessKeyEnv !== undefined || secretKeyEnv !== undefined || sessionTokenEnv !== undefined
  const ways = [fromEnv, credentialsFile !== undefined, credentialsStdin === true].filter(Boolean).length
  if (ways === 0) return undefined
  if (ways > 1) throw wrong('--credentials-file', 'cannot be joined with another way to give credentials')
  if (fromEnv) {
    const sessionToken =
      sessionTokenEnv === undefined ? undefined : variable(io, '--session-token-env', sessionTokenEnv)
    return {
      accessKey: variable(io, '--access-key-env', accessKeyEnv),
      secretKey: variable(io, '--secret-key-env', secretKeyEnv),
      ...(sessionToken === undefined ? {} : { sessionToken }),
    }
  }
  if (credentialsFile === undefined) return parse(await io.readStdin(), '--credentials-stdin')
  const text = await readFile(credentialsFile, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw wrong('--credentials-file', `cannot be read (${cause.code ?? 'unknown'})`)
  })
  return parse(text, '--credentials-file')
}

function variable(io: Io, option: string, name: string | undefined): string {
  if (name === undefined) throw wrong(option, 'is missing: access key and secret key belong together')
  const value = io.env[name]
  if (value === undefined || value === '') throw wrong(option, `names ${name}, which is not set`)
  return value
}

/** The text is not repeated in any error. */
function parse(text: string, option: string): Credentials {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    throw wrong(option, 'is not JSON')
  }
  const parsed = shape.safeParse(json)
  if (!parsed.success) throw wrong(option, 'must be {"accessKey", "secretKey", "sessionToken"?}, each a text')
  const { accessKey, secretKey, sessionToken } = parsed.data
  return { accessKey, secretKey, ...(sessionToken === undefined ? {} : { sessionToken }) }
}

function wrong(field: string, why: string): StowageError {
  return new StowageError('configuration', `${field} ${why}.`, { field })
}
