import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { defaultClientConditions, defaultServerConditions, type Plugin } from 'vite'
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config'

const packages = readdirSync(join(import.meta.dirname, 'packages'))
const seededFastCheck = join(import.meta.dirname, 'test/src/fast-check.ts')

/** Gives every test that imports fast-check the one that is seeded. */
const seeds: Plugin = {
  name: 'stowage:seeds',
  enforce: 'pre',
  resolveId: (id, importer) => (id === 'fast-check' && importer !== seededFastCheck ? seededFastCheck : undefined),
}

function project(name: string, ...include: string[]): TestProjectInlineConfiguration {
  return { extends: true, test: { name, include } }
}

export default defineConfig({
  plugins: [seeds],
  // Workspace packages resolve to their sources: nothing has to be built before a test.
  resolve: { conditions: ['stowage-source', ...defaultClientConditions] },
  ssr: { resolve: { conditions: ['stowage-source', ...defaultServerConditions] } },
  test: {
    projects: [
      ...packages.map((name) => project(name, `packages/${name}/src/**/*.test.ts`)),
      project('workshop', 'scripts/**/*.test.ts', 'test/src/**/*.test.ts'),
      project('examples', 'examples/**/*.test.ts'),
      project('bench', 'bench/**/*.test.ts'),
    ],
    globalSetup: ['@stowage/test-support/run'],
    reporters: ['default', '@stowage/test-support/reporter'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    teardownTimeout: 30_000,
  },
})
