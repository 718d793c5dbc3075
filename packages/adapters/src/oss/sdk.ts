import { StowageError } from '@stowage/core'
import type Client from 'ali-oss'

/** Loads the vendor's SDK, an optional peer dependency. @throws StowageError `configuration` that says what to install */
export async function loadAliOss(): Promise<typeof Client> {
  try {
    return (await import('ali-oss')).default
  } catch (error) {
    throw new StowageError('configuration', 'The package ali-oss is missing.', {
      cause: error,
      hint: 'Run: npm install ali-oss',
    })
  }
}

/** The SDK leaves lengths as numbers, and a host that belongs to the connection. */
export function asText(headers: Readonly<Record<string, string | number>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers)
      .filter(([name]) => name.toLowerCase() !== 'host')
      .map(([name, value]) => [name.toLowerCase(), String(value)]),
  )
}
