import { decodeRecord, encodeRecord, StowageError } from '@stowage/core'
import type { HealthNews } from '@stowage/router'
import { z } from 'zod'

/** The record in which all processes keep what they know of the health of sources. Times are by the catalog's clock. */
export const healthKey = 'routing/health/sources'

/** What is kept of one source. */
export interface StoredHealth {
  /** The place that it was seen at, as `placeOf` names it: what was said of another place does not count. */
  place: string
  /** The process that wrote it. */
  by: string
  news: HealthNews
}

const time = z.number().min(0).max(8.64e15)
const ill = { code: z.string().optional(), since: time.optional() }
const stored = z.object({
  place: z.string(),
  by: z.string(),
  news: z.object({
    ejection: z
      .object({
        at: time,
        ejections: z.number().int().min(0),
        until: time.optional(),
        recoveredAt: time.optional(),
        ...ill,
      })
      .optional(),
    refusal: z.object({ at: time, refused: z.boolean(), ...ill }).optional(),
    throttle: z.object({ at: time, ...ill }).optional(),
    flow: z
      .object({ at: time, errorRate: z.number().min(0).max(1), latencyMs: z.number().min(0).optional() })
      .optional(),
  }),
})
const record = z.object({ sources: z.record(z.string(), stored) })

export function encodeHealth(sources: ReadonlyMap<string, StoredHealth>): Uint8Array {
  return encodeRecord({ sources: Object.fromEntries(sources) })
}

/** @throws StowageError `newer-format` for a record of a newer version, `integrity` for one that cannot be read */
export function decodeHealth(bytes: Uint8Array): Map<string, StoredHealth> {
  const parsed = record.safeParse(decodeRecord<object>(healthKey, bytes))
  if (!parsed.success) {
    throw new StowageError('integrity', `The record "${healthKey}" is not what it should be.`, { key: healthKey })
  }
  return new Map(Object.entries(parsed.data.sources as Record<string, StoredHealth>))
}

/** The newest evidence in news, in milliseconds since the epoch. */
export function newestOf({ ejection, refusal, throttle, flow }: HealthNews): number {
  return Math.max(ejection?.at ?? 0, refusal?.at ?? 0, throttle?.at ?? 0, flow?.at ?? 0)
}

/** News by another clock, which is so many milliseconds ahead. */
export function shifted(news: HealthNews, by: number): HealthNews {
  if (by === 0) return news
  const move = <T extends object>(part: T | undefined): T | undefined =>
    part === undefined
      ? undefined
      : (Object.fromEntries(
          Object.entries(part).map(([key, value]) => [key, times.has(key) ? (value as number) + by : value]),
        ) as T)
  const parts = Object.entries(news).map(([name, part]) => [name, move(part as object)])
  return Object.fromEntries(parts) as HealthNews
}

const times = new Set(['at', 'until', 'recoveredAt', 'since'])
