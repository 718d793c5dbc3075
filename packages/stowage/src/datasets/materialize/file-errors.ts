import { errnoOf, meaningOfErrno, StowageError, toStowageError } from '@stowage/core'

/** Gives `undefined` in place of one of these errors. */
export async function unless<T>(work: Promise<T>, ...errnos: string[]): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    if (errnos.includes(errnoOf(error) ?? '')) return undefined
    throw error
  }
}

/** Makes a StowageError of what a call into the operating system failed with. */
export function fileError(error: unknown, path: string): StowageError {
  const errno = errnoOf(error)
  if (StowageError.isInstance(error) || errno === undefined) return toStowageError(error)
  const { code, says } = meaningOfErrno(errno)
  return new StowageError(code, `${path}: ${says} (${errno}).`, {
    cause: error,
    ...(code === 'no-space' ? { hint: 'Free some space and run it again: it goes on from here.' } : {}),
  })
}
