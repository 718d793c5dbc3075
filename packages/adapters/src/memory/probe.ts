import type { Clock } from '@stowage/core'
import { type Called, notFound, type ProbeSteps, preconditionFailed } from '../shared/index.ts'
import { canaryBytes, canaryName, canaryRange, writtenBytes } from '../shared/probe-content.ts'
import { MemoryObjects } from './objects.ts'

/** The steps of a probe on memory. Its objects lie beside those of users. */
export function memoryProbeSteps(adapter: Called, clock: Clock, begin: () => void): ProbeSteps {
  const objects = new MemoryObjects(clock)
  const create = (name: string, bytes: Uint8Array): void => {
    begin()
    if (objects.get(name) !== undefined) throw preconditionFailed(adapter, name, 'exists already')
    objects.set(name, bytes, {})
  }
  return {
    readCanary: async () => {
      begin()
      const found = objects.get(canaryName)
      if (found === undefined) throw notFound(adapter, canaryName)
      return found.bytes.subarray(canaryRange.start, canaryRange.start + canaryRange.length)
    },
    writeCanary: async () => create(canaryName, canaryBytes),
    write: async (name) => {
      create(name, writtenBytes)
      return undefined
    },
    remove: async (name) => {
      begin()
      objects.delete(name)
    },
  }
}
