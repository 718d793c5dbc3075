import type { Owner } from '../state/index.ts'

/** Bytes that differ by seed and repeat by run. */
export function patterned(size: number, seed = 1): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => (i * 31 + seed * 7 + (i >> 8) * 13) & 255)
}

/** A process of one machine, as a lease sees it; `alive` says which others live. */
export function fakeOwner(pid: number, alive: (pid: number) => boolean = () => false): Owner {
  const identity = { host: 'host', bootId: 'boot', pid, startTime: '1' }
  return { identity, isDead: (other) => other.pid !== pid && !alive(other.pid) }
}
