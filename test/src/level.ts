/** How much a run of the suite does: `small` is complete but quick, `full` runs the same suites at full size. */
export type TestLevel = 'small' | 'full'

function readLevel(value: string | undefined): TestLevel {
  if (value === undefined || value === '' || value === 'small') return 'small'
  if (value === 'full') return 'full'
  throw new Error(`STOWAGE_TEST_LEVEL is "${value}", it should be "small" or "full"`)
}

/** The level of this run, from `STOWAGE_TEST_LEVEL`; `small` unless told. */
export const testLevel: TestLevel = readLevel(process.env['STOWAGE_TEST_LEVEL'])

/**
 * Takes the value for the level of this run.
 *
 * @example
 * fc.assert(property, { numRuns: runs(100, 5_000) })
 */
export function runs<T>(small: T, full: T): T {
  return testLevel === 'full' ? full : small
}

/** The seed of every generator in this run: `STOWAGE_TEST_SEED`, else 1 at level small and a random one at level full. */
export function testSeed(): number {
  const value = process.env['STOWAGE_TEST_SEED']
  if (value !== undefined && value !== '') {
    const seed = Number(value)
    if (!Number.isSafeInteger(seed)) throw new Error(`STOWAGE_TEST_SEED is "${value}", it should be a whole number`)
    return seed
  }
  return testLevel === 'small' ? 1 : Math.floor(Math.random() * 0x7fffffff)
}
