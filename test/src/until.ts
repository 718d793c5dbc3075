import { setTimeout as sleep } from 'node:timers/promises'

export interface UntilOptions {
  /** A bound against hanging, in milliseconds, and no measure: shared machines are slow at times. @defaultValue 120 000 */
  readonly timeoutMs?: number
  /** Milliseconds between one look and the next. @defaultValue 10 */
  readonly everyMs?: number
  /** What to tell when it waited in vain. */
  readonly seen?: () => unknown
}

/**
 * Waits until something is so. What `check` throws is thrown at once.
 *
 * @example
 * await until('half of it is sent', () => proxy.bytesUp > size / 2, { seen: () => proxy.bytesUp })
 * @throws Error that says what was waited for, and what was seen last
 */
export async function until(
  what: string,
  check: () => unknown,
  { timeoutMs = 120_000, everyMs = 10, seen }: UntilOptions = {},
): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!(await check())) {
    if (performance.now() < deadline) {
      await sleep(everyMs)
      continue
    }
    const last = seen === undefined ? '' : `; seen last: ${JSON.stringify(await seen())}`
    throw new Error(`Waited in vain for ${timeoutMs / 1000} s until ${what}${last}`)
  }
}
