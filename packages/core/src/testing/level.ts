/** How often to repeat what can be repeated: `small` times, or `full` with `STOWAGE_TEST_LEVEL=full`. */
export function repeats(small: number, full: number): number {
  return process.env['STOWAGE_TEST_LEVEL'] === 'full' ? full : small
}
