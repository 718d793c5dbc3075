import { type JsonValue, StowageError } from '@stowage/core'
import * as z from 'zod'

const texts = z.array(z.string())
const numbers = z.array(z.number().int())
const object = z.record(z.string(), z.json())

/** Parses a JSON column of texts. @throws StowageError `integrity` when it holds something else */
export function parseTexts(json: string, column: string): string[] {
  return parse(json, column, texts)
}

/** Parses a JSON column of whole numbers. @throws StowageError `integrity` when it holds something else */
export function parseNumbers(json: string, column: string): number[] {
  return parse(json, column, numbers)
}

/** Parses a JSON column of an object. @throws StowageError `integrity` when it holds something else */
export function parseObject(json: string, column: string): Record<string, JsonValue> {
  return parse(json, column, object)
}

function parse<T>(json: string, column: string, schema: z.ZodType<T>): T {
  try {
    return schema.parse(JSON.parse(json))
  } catch (error) {
    throw new StowageError('integrity', `The catalog's column ${column} holds something that cannot be read.`, {
      cause: error,
      retryable: false,
      hint: 'Restore the catalog from a backup, or rebuild it from the buckets.',
    })
  }
}
