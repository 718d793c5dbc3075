/**
 * A secret for tests. With `STOWAGE_TEST_MARKER` set it contains that text, so that whatever a run prints can be searched for it.
 */
export function markedSecret(name: string): string {
  const marker = process.env['STOWAGE_TEST_MARKER']
  return marker === undefined ? name : `${marker}-${name}`
}
