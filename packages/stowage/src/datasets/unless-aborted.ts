import { throwIfAborted } from '@stowage/core'

/**
 * Waits for work that others wait for too and that therefore is not stopped with one of them.
 * @throws StowageError `aborted` as soon as the signal fires
 */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work
  let onAbort = (): void => undefined
  const fired = new Promise<void>((resolve) => {
    onAbort = resolve
    signal.addEventListener('abort', onAbort, { once: true })
  })
  try {
    work.catch(() => undefined)
    throwIfAborted(signal)
    await Promise.race([work, fired])
    throwIfAborted(signal)
    return await work
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
