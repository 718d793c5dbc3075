import { readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { LongestFirst } from '@stowage/test-support/order'
import { defaultServerConditions, type Plugin } from 'vite'
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config'

const packages = readdirSync(join(import.meta.dirname, 'packages'))
const seededFastCheck = join(import.meta.dirname, 'test/src/fast-check.ts')

/** Gives every test that imports fast-check the one that is seeded. */
const seeds: Plugin = {
  name: 'stowage:seeds',
  enforce: 'pre',
  resolveId: (id, importer) => (id === 'fast-check' && importer !== seededFastCheck ? seededFastCheck : undefined),
}

// Without `module`: what stands behind it is meant for bundlers, and the AWS SDK's cannot be loaded by Node.
const nodeConditions = defaultServerConditions.filter((condition) => condition !== 'module')

/**
 * Packages whose tests are many, short and mostly in memory: their files share the modules that a worker has loaded. The others have a
 * process for each file.
 */
const shared = new Set(['core', 'router', 'sync'])

function project(name: string, ...include: string[]): TestProjectInlineConfiguration {
  return { extends: true, test: { name, include, isolate: !shared.has(name) } }
}

export default defineConfig({
  plugins: [seeds],
  // Workspace packages resolve to their sources: nothing has to be built before a test.
  resolve: { conditions: ['stowage-source', ...nodeConditions] },
  ssr: { resolve: { conditions: ['stowage-source', ...nodeConditions] } },
  test: {
    projects: [
      ...packages.map((name) => project(name, `packages/${name}/src/**/*.test.ts`)),
      project('workshop', 'scripts/**/*.test.ts', 'test/src/**/*.test.ts'),
      project('examples', 'examples/**/*.test.ts'),
      project('bench', 'bench/**/*.test.ts'),
    ],
    // Tests wait for servers and other processes as much as they compute: as many workers as processors would leave a small machine idle at times.
    maxWorkers: Math.max(4, availableParallelism()),
    sequence: { sequencer: LongestFirst },
    globalSetup: ['@stowage/test-support/run'],
    setupFiles: ['@stowage/test-support/worker', '@stowage/test-support/chance'],
    reporters: ['default', '@stowage/test-support/reporter'],
    // Bounds against hanging, and no measures: shared machines are slow at times. What is waited for says so first, within half of it.
    testTimeout: process.env['STOWAGE_TEST_LEVEL'] === 'full' ? 600_000 : 240_000,
    expect: { poll: { timeout: 120_000 } },
    hookTimeout: 240_000,
    teardownTimeout: 30_000,
  },
})
