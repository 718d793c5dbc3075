import { inspect } from 'node:util'
import type { Redactor } from '@stowage/core'
import { KnownSecrets } from './known-secrets.ts'
import type { StowageConfig } from './types.ts'

/**
 * The same configuration, which shows its secrets to nobody by accident: the console and `JSON.stringify` have `[secret]` in their place.
 * Who reads a field gets it. A copy by `structuredClone` or by spreading is a plain object again.
 */
export function shielded(config: StowageConfig): StowageConfig {
  shield(config, KnownSecrets.of(config).redactor)
  return config
}

function shield(value: unknown, redactor: Redactor): void {
  if (typeof value !== 'object' || value === null) return
  for (const item of Object.values(value)) shield(item, redactor)
  if (Array.isArray(value)) return
  const shown = { value: () => redactor.value({ ...value }), configurable: true }
  // Not enumerable: a configuration has no other fields than before.
  Object.defineProperties(value, { toJSON: shown, [inspect.custom]: shown })
}
