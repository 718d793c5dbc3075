import { createAdapter } from '@stowage/adapters'
import { limitBandwidth, limitConcurrency, meter } from '@stowage/adapters/wrappers'
import type { Clock, Events, StorageAdapter } from '@stowage/core'
import type { SourceConfig } from '../config/index.ts'
import { adapterConfig } from './adapter-config.ts'

/** Makes the adapter of a source, with its limits, and with the events of its calls for who listens to them. */
export async function openAdapter(
  config: SourceConfig,
  { clock, events }: { clock: Clock; events: Events },
): Promise<StorageAdapter> {
  const { concurrency, bandwidth } = config.limits ?? {}
  const bare = await createAdapter(adapterConfig(config))
  let adapter = meter(bare, {
    clock,
    onCall: (call) => events.emit('source.call', call),
    isOn: () => events.hasListeners('source.call'),
  })
  try {
    if (bandwidth !== undefined) adapter = limitBandwidth(adapter, { ...bandwidth, clock })
    return concurrency === undefined ? adapter : limitConcurrency(adapter, { concurrency, clock })
  } catch (error) {
    await bare.close()
    throw error
  }
}
