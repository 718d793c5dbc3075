import { type Clock, type StorageAdapter, StowageError, systemClock } from '@stowage/core'
import { inMemory, throughEach } from './bodies.ts'
import { Pace } from './pace.ts'
import { PacedBody } from './paced-body.ts'
import { WrappedAdapter } from './wrapped-adapter.ts'

/** Bodies in memory up to this stay whole, in bytes: then they can be sent again when an attempt fails. */
const wholeBytes = 8 * 1024 * 1024
const sliceBytes = 64 * 1024

/** Options of {@link limitBandwidth}. */
export interface BandwidthOptions {
  /** Bytes a second that are written, all writers together. @defaultValue no limit */
  up?: number
  /** Bytes a second that are read, all readers together. @defaultValue no limit */
  down?: number
  /** @defaultValue the machine's clock */
  clock?: Clock
}

/**
 * An adapter through which so many bytes pass a second, for all who use it together. Who reads or writes too fast waits, and with them
 * what they read from or write to.
 *
 * Downwards each chunk waits its turn. Upwards a body of up to 8 MiB waits as a whole, since adapters keep so much in memory to be able
 * to send it again; larger ones go by the chunk.
 *
 * @example
 * ```ts
 * const gentle = limitBandwidth(bucket, { up: 10 * 1024 ** 2, down: 50 * 1024 ** 2 })
 * ```
 * @throws StowageError `configuration` for a rate that is not above 0
 */
export function limitBandwidth(adapter: StorageAdapter, options: BandwidthOptions): StorageAdapter {
  const clock = options.clock ?? systemClock
  const up = paceOf(adapter.id, 'up', options.up, clock)
  const down = paceOf(adapter.id, 'down', options.down, clock)
  return new WrappedAdapter(adapter, {
    begin: ({ signal }) => ({
      ...(up === undefined
        ? {}
        : {
            up: async (body) => {
              if (!inMemory(body)) return throughEach(body, (chunk) => up.take(chunk.length, signal))
              if (body.length > wholeBytes) return throughEach(slices(body), (chunk) => up.take(chunk.length, signal))
              await up.take(body.length, signal)
              return body
            },
          }),
      ...(down === undefined ? {} : { down: (body) => new PacedBody(body, down) }),
      end: () => {},
    }),
    probe: (probe, options) => probe(options),
  })
}

async function* slices(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += sliceBytes) yield bytes.subarray(at, at + sliceBytes)
}

function paceOf(id: string, field: string, rate: number | undefined, clock: Clock): Pace | undefined {
  if (rate === undefined) return undefined
  if (Number.isFinite(rate) && rate > 0) return new Pace(rate, clock)
  throw new StowageError('configuration', `${id}: ${field} must be a number of bytes a second above 0.`, {
    sourceId: id,
    field,
  })
}
