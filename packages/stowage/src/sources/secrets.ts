import { createRedactor, type Redactor } from '@stowage/core'
import type { SourceConfig } from '../config/index.ts'

/** What must not be printed of a configuration. */
export function secretsOf({ secretKey, sessionToken, presign }: SourceConfig): string[] {
  return [secretKey, sessionToken, presign?.secret].filter((secret) => secret !== undefined)
}

/** Gives the redactor of secrets that may become more; it is made again only when they did. */
export function redactorOf(secrets: ReadonlySet<string>): () => Redactor {
  let made: { size: number; redactor: Redactor } | undefined
  return () => {
    if (made?.size !== secrets.size) made = { size: secrets.size, redactor: createRedactor(secrets) }
    return made.redactor
  }
}
