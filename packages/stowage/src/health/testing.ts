import { memory } from '@stowage/adapters/memory'
import { type StorageAdapter, StowageError } from '@stowage/core'

/** A source in memory that can be down. */
export interface SicklySource {
  adapter: StorageAdapter
  /** Reads and probes that came to it, those that failed too. */
  calls: number
  probes: number
}

/**
 * A source in memory whose reads and probes fail while it is down.
 * @param isUp asked at each call
 */
export function sickly(id: string, isUp: () => boolean): SicklySource {
  const adapter = memory({ id })
  const source: SicklySource = { adapter, calls: 0, probes: 0 }
  const down = (): StowageError => new StowageError('unavailable', `${id}: it is down.`, { sourceId: id })
  const { get, head, probe } = { get: adapter.get, head: adapter.head, probe: adapter.probe }
  adapter.get = async (key, options) => {
    source.calls++
    if (!isUp()) throw down()
    return get.call(adapter, key, options)
  }
  adapter.head = async (key, options) => {
    source.calls++
    if (!isUp()) throw down()
    return head.call(adapter, key, options)
  }
  adapter.probe = async (options) => {
    source.probes++
    if (isUp()) return probe.call(adapter, options)
    return { ok: false, latencyMs: 1, checks: [], error: down(), failure: 'transport' }
  }
  return source
}
