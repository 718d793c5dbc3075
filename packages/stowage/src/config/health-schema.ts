import { z } from 'zod'

const ms = z.number().positive().max(86_400_000, 'takes at most a day, in milliseconds')
const part = z.number().min(0).max(1)
const count = z.number().int().positive()

/** `routing.health`. */
export const healthSchema: z.ZodType<unknown> = z
  .strictObject({
    consecutiveErrors: count.optional(),
    consecutiveProbeErrors: count.optional(),
    consecutiveDenials: count.optional(),
    ejectionMs: ms.optional(),
    maxEjectionMs: ms.optional(),
    trial: part.optional(),
    rampMs: z.number().nonnegative().max(86_400_000, 'takes at most a day, in milliseconds').optional(),
    maxEjected: part.optional(),
    jitter: part.optional(),
    throttleMs: ms.optional(),
    degradedErrorRate: part.optional(),
    probes: z.boolean().optional(),
    probeMs: ms.min(1000, 'takes 1000 (a second) or more').optional(),
    probeSickMs: ms.min(1000, 'takes 1000 (a second) or more').optional(),
  })
  .refine(({ trial }) => trial !== 0, { path: ['trial'], error: 'must be above 0, or nobody tries a source again' })
