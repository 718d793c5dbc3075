/**
 * A caller's listener, made harmless: what it throws, at once or later, is told as a process warning, the first time, and disturbs nothing.
 *
 * @param name what the caller calls it, for the warning
 * @example
 * ```ts
 * const report = harmless(options.onProgress, 'onProgress')
 * report({ files, bytes })
 * ```
 */
export function harmless<T>(listener: ((value: T) => unknown) | undefined, name: string): (value: T) => void {
  if (listener === undefined) return () => undefined
  let told = false
  const tell = (error: unknown): void => {
    if (told) return
    told = true
    process.emitWarning(`"${name}" threw: ${error instanceof Error ? error.message : String(error)}`)
  }
  return (value) => {
    try {
      const returned = listener(value)
      if (returned instanceof Promise) returned.catch(tell)
    } catch (error) {
      tell(error)
    }
  }
}
