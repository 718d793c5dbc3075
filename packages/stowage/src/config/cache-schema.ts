import * as z from 'zod'
import { bytesIn } from './sizes.ts'
import type { CacheConfig, Size } from './types.ts'

/** A cache's configuration, in numbers. */
export interface CacheSettings {
  /** bytes */
  capacity: number
  /** bytes */
  highWater: number
  /** bytes */
  lowWater: number
  minimumCopies: number
  primaries: boolean
  pins: readonly string[]
  /** Milliseconds. */
  graceMs: number
}

const DAY = 86_400_000

/** Nothing can be kept in less: marks are compared by whole bytes. */
const LEAST_CAPACITY = 1

function toBytes(size: Size, capacity?: number): number | undefined {
  if (typeof size === 'number') return Number.isSafeInteger(size) && size >= 0 ? size : undefined
  const part = /^(\d{1,3}(?:\.\d{1,3})?)\s?%$/.exec(size.trim())
  if (part === null) return bytesIn(size)
  const percent = Number(part[1])
  return capacity === undefined || percent > 100 ? undefined : Math.floor((capacity * percent) / 100)
}

const size = z.union([z.number(), z.string()], { error: 'takes bytes, such as 500000000 or "500G"' })

export const cacheSchema: z.ZodType<unknown> = z
  .strictObject({
    capacity: size,
    highWater: size.optional(),
    lowWater: size.optional(),
    minimumCopies: z.number().int().min(1).max(100).optional(),
    primaries: z.boolean().optional(),
    pins: z.array(z.string().min(1)).optional(),
    graceMs: z
      .number()
      .int()
      .nonnegative()
      .max(30 * DAY)
      .optional(),
  })
  .superRefine((value, context) => {
    const wrong = (field: string, message: string): void => context.addIssue({ code: 'custom', path: [field], message })
    const capacity = toBytes(value.capacity)
    if (capacity === undefined || capacity < LEAST_CAPACITY) {
      return wrong('capacity', 'takes bytes above 0, such as 500000000 or "500G"')
    }
    const marks = { highWater: value.highWater ?? '90%', lowWater: value.lowWater ?? '80%' }
    const [high, low] = [toBytes(marks.highWater, capacity), toBytes(marks.lowWater, capacity)]
    const form = 'takes bytes, such as "450G", or a part of the capacity, such as "90%"'
    if (high === undefined) return wrong('highWater', form)
    if (low === undefined) return wrong('lowWater', form)
    if (high > capacity) return wrong('highWater', 'must not be above the capacity')
    if (low > high) wrong('lowWater', `must not be above highWater (${high} bytes)`)
  })

const known = new WeakMap<CacheConfig, CacheSettings>()

/** A configuration that was checked, in numbers. */
export function cacheSettings(config: CacheConfig): CacheSettings {
  const settings = known.get(config) ?? inNumbers(config)
  known.set(config, settings)
  return settings
}

function inNumbers(config: CacheConfig): CacheSettings {
  const { capacity: size, highWater = '90%', lowWater = '80%', minimumCopies = 1, primaries = false } = config
  const capacity = toBytes(size) ?? 0
  return {
    capacity,
    highWater: toBytes(highWater, capacity) ?? capacity,
    lowWater: toBytes(lowWater, capacity) ?? capacity,
    minimumCopies,
    primaries,
    pins: config.pins ?? [],
    graceMs: config.graceMs ?? 900_000,
  }
}
