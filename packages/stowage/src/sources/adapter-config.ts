import type { AdapterConfig } from '@stowage/adapters'
import type { SourceConfig } from '../config/index.ts'

/** What of a source's configuration its adapter takes: all but what routing and the catalog use. */
export function adapterConfig(source: SourceConfig): AdapterConfig {
  const { name, enabled, isPublic, priority, weight, datasetRoot, allowPrivateNetwork, limits, ...rest } = source
  return rest
}
