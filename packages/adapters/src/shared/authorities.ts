import { readFile } from 'node:fs/promises'
import { rootCertificates } from 'node:tls'
import { StowageError } from '@stowage/core'
import type { Called } from './calls.ts'

/** The authorities to trust: those of a PEM file beside the system's. @throws StowageError `configuration` */
export async function readAuthorities(adapter: Pick<Called, 'id'>, path: string): Promise<string[]> {
  try {
    return [...rootCertificates, await readFile(path, 'utf8')]
  } catch (error) {
    throw new StowageError('configuration', `${adapter.id}: the certificates ${path} could not be read.`, {
      cause: error,
      field: 'tls.ca',
    })
  }
}
