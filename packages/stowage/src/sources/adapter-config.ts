import type { AdapterConfig } from '@stowage/adapters'
import { StowageError } from '@stowage/core'
import type { SourceConfig } from '../config/index.ts'

/** Fields of a source that routing and the catalog use, and adapters do not. */
type Described = 'name' | 'enabled' | 'isPublic' | 'priority' | 'weight' | 'datasetRoot' | 'allowPrivateNetwork'

/**
 * What of a source's configuration its adapter takes. The configuration was checked already, so fields that the type does not have are absent.
 * @throws StowageError `configuration` for a type that this version has no adapter for
 */
export function adapterConfig(source: SourceConfig): AdapterConfig {
  if (source.type === 'oss') {
    throw new StowageError('configuration', `Source "${source.id}": this version has no adapter for "oss" yet.`, {
      field: 'type',
      sourceId: source.id,
      hint: 'Pass an adapter of your own in the option `adapters` of createStowage.',
    })
  }
  const { name, enabled, isPublic, priority, weight, datasetRoot, allowPrivateNetwork, ...rest }: SourceConfig = source
  return rest satisfies Omit<SourceConfig, Described> as AdapterConfig
}
