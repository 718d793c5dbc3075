/**
 * Sends a control request again when the store refused it for its time: the SDK has learned by that refusal what time it is there, and signs
 * by it from then on, but leaves the second try to its own retries, which are off.
 */
export async function inStoreTime<T>(send: () => Promise<T>): Promise<T> {
  try {
    return await send()
  } catch (error) {
    const { $metadata } = (error ?? {}) as { $metadata?: { clockSkewCorrected?: boolean; httpStatusCode?: number } }
    const isRefused = $metadata?.httpStatusCode === 403 || $metadata?.httpStatusCode === 400
    if (!isRefused || $metadata?.clockSkewCorrected !== true) throw error
    return await send()
  }
}
