import { defaultClientConditions, defaultServerConditions } from 'vite'
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config'

const packages = ['core', 'adapters', 'router', 'catalog', 'sync', 'stowage', 'lambda']

function project(name: string, include: string[]): TestProjectInlineConfiguration {
  return { extends: true, test: { name, include } }
}

export default defineConfig({
  resolve: { conditions: ['stowage-source', ...defaultClientConditions] },
  ssr: { resolve: { conditions: ['stowage-source', ...defaultServerConditions] } },
  test: {
    projects: [
      ...packages.map((name) => project(name, [`packages/${name}/src/**/*.test.ts`])),
      project('workshop', ['scripts/**/*.test.ts', 'test/src/**/*.test.ts']),
      project('examples', ['examples/**/*.test.ts']),
    ],
    globalSetup: ['@stowage/test-support/run'],
    reporters: ['default', '@stowage/test-support/reporter'],
  },
})
