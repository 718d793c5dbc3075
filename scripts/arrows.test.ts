import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { tempDir } from '@stowage/test-support'
import { describe, expect, it } from 'vitest'
import { checkArrows } from './arrows.ts'
import { root } from './workspace.ts'

const names = ['core', 'adapters', 'router', 'catalog', 'sync', 'stowage', 'lambda']
const nameOf = (folder: string): string => (folder === 'stowage' ? folder : `@stowage/${folder}`)

/** A workspace with our packages, all of them empty but for `files`. */
function workspace(files: Readonly<Record<string, string | object>> = {}): string {
  const base = tempDir('arrows')
  const all: Record<string, string | object> = { 'package.json': { workspaces: ['packages/*', 'test', 'examples'] } }
  for (const folder of names) {
    const exports = { '.': './src/index.ts', './testing': './src/testing/index.ts' }
    all[`packages/${folder}/package.json`] = { name: nameOf(folder), exports }
    all[`packages/${folder}/src/index.ts`] = 'export {}'
  }
  all['test/package.json'] = { name: '@stowage/test-support', private: true, exports: { '.': './src/index.ts' } }
  all['examples/package.json'] = { name: 'stowage-examples', private: true }
  for (const [path, content] of Object.entries({ ...all, ...files })) {
    const file = join(base, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content))
  }
  return base
}

const problems = (files: Readonly<Record<string, string | object>>): string[] => checkArrows(workspace(files))

const allowed = new Set([
  ...['adapters', 'router', 'catalog', 'sync'].map((from) => `${from} -> core`),
  ...['core', 'adapters', 'router', 'catalog', 'sync'].map((to) => `stowage -> ${to}`),
  'lambda -> stowage',
])

describe('the arrows between packages', () => {
  for (const from of names) {
    for (const to of names.filter((name) => name !== from)) {
      const arrow = `${from} -> ${to}`
      it(`${allowed.has(arrow) ? 'allow' : 'forbid'} ${arrow}`, () => {
        const found = problems({ [`packages/${from}/src/a.ts`]: `import { x } from '${nameOf(to)}'\nexport { x }` })
        if (allowed.has(arrow)) expect(found).toEqual([])
        else expect(found).toEqual([expect.stringMatching(`^packages/${from}/src/a.ts:1: ${nameOf(from)} may `)])
      })
    }
  }

  it.each([
    ['a re-export', "export * from '@stowage/catalog'"],
    ['a named re-export', "export { x } from '@stowage/catalog'"],
    ['an import for its effects', "import '@stowage/catalog'"],
    ['an import of types', "import type { X } from '@stowage/catalog'\nexport type { X }"],
    ['a lazy import', "export const x = (): Promise<unknown> => import('@stowage/catalog')"],
    ['an inline type', "export type X = import('@stowage/catalog').X"],
  ])('see %s', (_name, text) => {
    expect(problems({ 'packages/sync/src/a.ts': text })).toEqual([
      'packages/sync/src/a.ts:1: @stowage/sync may not import @stowage/catalog',
    ])
  })

  it('let the functions take types of core, and nothing else of it', () => {
    const file = 'packages/lambda/src/a.ts'
    expect(problems({ [file]: "import type { X } from '@stowage/core'\nexport type { X }" })).toEqual([])
    expect(problems({ [file]: "import { type X, y } from '@stowage/core'\nexport const z: X = y" })).toEqual([
      `${file}:1: @stowage/lambda may import types alone of @stowage/core`,
    ])
  })

  it('hold for the dependencies of package.json', () => {
    const manifest = { name: '@stowage/router', dependencies: { '@stowage/catalog': '1.0.0', zod: '4.0.0' } }
    expect(problems({ 'packages/router/package.json': manifest })).toEqual([
      'packages/router/package.json: may not depend on @stowage/catalog',
    ])
  })

  it('want a row for every published package', () => {
    expect(problems({ 'packages/new/package.json': { name: '@stowage/new' } })).toEqual([
      'packages/new: @stowage/new has no row in scripts/arrows.ts',
    ])
  })

  it('keep test support in tests', () => {
    const text = "import { runs } from '@stowage/test-support'\nexport { runs }"
    expect(problems({ 'packages/core/src/a.test.ts': text, 'packages/core/src/proof/a.ts': text })).toEqual([])
    expect(problems({ 'packages/core/src/a.ts': text })).toEqual([
      'packages/core/src/a.ts:1: "@stowage/test-support" is for tests alone',
    ])
  })

  it('let the tests of sync use adapters, and its sources not', () => {
    const text = "import { x } from '@stowage/adapters'\nexport { x }"
    expect(problems({ 'packages/sync/src/a.test.ts': text })).toEqual([])
    expect(problems({ 'packages/router/src/a.test.ts': text })).toHaveLength(1)
    expect(problems({ 'packages/sync/src/a.ts': text })).toHaveLength(1)
  })
})

describe('deep imports', () => {
  it('fail for a subpath that is not exported', () => {
    const text = "import { x } from '@stowage/core/src/digest/digest.ts'\nexport { x }"
    expect(problems({ 'packages/sync/src/a.ts': text, 'examples/a.ts': text })).toEqual([
      'examples/a.ts:1: "@stowage/core/src/digest/digest.ts" is not among the exports of @stowage/core',
      'packages/sync/src/a.ts:1: "@stowage/core/src/digest/digest.ts" is not among the exports of @stowage/core',
    ])
  })

  it('pass for one that is', () => {
    const text = "import { x } from '@stowage/core/testing'\nexport { x }"
    expect(problems({ 'packages/sync/src/a.ts': text })).toEqual([])
  })

  it('fail for a path into another package', () => {
    const text = "import { x } from '../../core/src/index.ts'\nexport { x }"
    expect(problems({ 'packages/sync/src/a.ts': text })).toEqual([
      'packages/sync/src/a.ts:1: "../../core/src/index.ts" leaves the package: import what it exports',
    ])
  })
})

describe('cycles', () => {
  it('fail between the files of a package, types included', () => {
    const files = {
      'packages/core/src/a.ts': "import { b } from './deep/b.ts'\nexport const a = b",
      'packages/core/src/deep/b.ts': "export { c as b } from '../c.ts'",
      'packages/core/src/c.ts': "import type { a } from './a.ts'\nexport const c = 1 as unknown as typeof a",
    }
    expect(problems(files)).toEqual([
      'cycle: packages/core/src/a.ts -> packages/core/src/deep/b.ts -> packages/core/src/c.ts -> packages/core/src/a.ts',
    ])
  })

  it('fail for a file that imports itself', () => {
    expect(problems({ 'packages/core/src/a.ts': "import * as a from './a.ts'\nexport { a }" })).toHaveLength(1)
  })

  it('are not seen where two paths meet', () => {
    const files = {
      'packages/core/src/a.ts': "export * from './b.ts'\nexport * from './c.ts'",
      'packages/core/src/b.ts': "export * from './c.ts'",
      'packages/core/src/c.ts': 'export {}',
    }
    expect(problems(files)).toEqual([])
  })
})

describe('the router', () => {
  const router = (text: string): string[] => problems({ 'packages/router/src/a.ts': text })

  it.each(['node:fs', 'fs', 'node:fs/promises', 'node:http', 'node:timers/promises', 'node:worker_threads'])(
    'does no I/O: %s fails',
    (name) => {
      const text = `import * as x from '${name}'\nexport { x }`
      expect(router(text)).toEqual([`packages/router/src/a.ts:1: "${name}" in the router, which does no I/O`])
      expect(problems({ 'packages/sync/src/a.ts': text })).toEqual([])
    },
  )

  it.each([
    'Date.now()',
    'new Date()',
    'Date()',
    'performance.now()',
    'Math.random()',
    "fetch('http://a')",
    'setTimeout(() => {}, 1)',
    'process.hrtime()',
    'crypto.randomUUID()',
  ])('is pure: %s fails', (expression) => {
    expect(router(`export const x = (): unknown => ${expression}`)).toHaveLength(1)
  })

  it('may hash and take a time that it is given', () => {
    const text =
      "import { createHash } from 'node:crypto'\nexport const x = (now: number) => [createHash, new Date(now)]"
    expect(router(text)).toEqual([])
  })
})

it('finds nothing wrong with this repository', () => {
  expect(checkArrows(root)).toEqual([])
})
