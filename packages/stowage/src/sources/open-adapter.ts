import { createAdapter } from '@stowage/adapters'
import { limitBandwidth, limitConcurrency, meter } from '@stowage/adapters/wrappers'
import type { Clock, Events, NetworkPolicy, StorageAdapter } from '@stowage/core'
import type { SourceConfig } from '../config/index.ts'
import { adapterConfig } from './adapter-config.ts'

/**
 * Makes the adapter of a source, with its limits, and with the events of its calls for who listens to them. `network` is what it may reach,
 * when it is not of the configuration file.
 */
export async function openAdapter(
  config: SourceConfig,
  { clock, events, network }: { clock: Clock; events: Events; network?: NetworkPolicy },
): Promise<StorageAdapter> {
  const { concurrency, bandwidth } = config.limits ?? {}
  const bare = await createAdapter(adapterConfig(config, network))
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
