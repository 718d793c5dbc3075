import type { AdapterConfig } from '@stowage/adapters'
import type { NetworkPolicy } from '@stowage/core'
import type { SourceConfig } from '../config/index.ts'

/**
 * What of a source's configuration its adapter takes: all but what routing and the catalog use.
 * @param network what it may reach. @defaultValue this machine and private networks, as for the configuration file
 */
export function adapterConfig(source: SourceConfig, network?: NetworkPolicy): AdapterConfig {
  const { name, enabled, isPublic, priority, weight, datasetRoot, allowPrivateNetwork, limits, ...others } = source
  const { labels, costPerGbRead, costPerGbStored, cache, ...rest } = others
  return network === undefined ? rest : { ...rest, network }
}
