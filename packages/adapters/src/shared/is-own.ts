import type { Called } from './calls.ts'

/** Whether a key, or a folder of a listing, belongs to the adapter itself: users do not see it. */
export function isOwn({ capabilities }: Called, key: string): boolean {
  const { reserved } = capabilities.keys
  return reserved !== undefined && key.startsWith(reserved)
}
