import { StowageError } from '@stowage/core'

const codes = new Set(['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'])

/** What an import failed with: an error that says what to install when a package is missing, and itself otherwise. */
export function missingPackage(cause: unknown, { needs, install }: { needs: string; install: string[] }): unknown {
  if (!codes.has((cause as { code?: string } | null)?.code ?? '')) return cause
  return new StowageError('configuration', needs, { cause, hint: `Run: npm install ${install.join(' ')}` })
}
