/**
 * The direction of imports between packages, and what else holds for imports:
 * - a package imports only the packages that its row in `arrows` names;
 * - across packages only what `exports` offers is imported, never a file by path;
 * - no cycles, neither between packages nor between the files of one, types included;
 * - the router is pure: no I/O, no clock, no chance;
 * - what is for tests alone stays in tests.
 */
import { existsSync, globSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'
import { type Import, scan } from './imports.ts'
import { type Manifest, root, type WorkspacePackage, workspacePackages } from './workspace.ts'

interface Row {
  /** Packages that it may import. */
  readonly to: readonly string[]
  /** Packages of which it may import types alone. */
  readonly types?: readonly string[]
  /** Packages that its tests may import besides. */
  readonly inTests?: readonly string[]
}

const four: Row = { to: ['@stowage/core'] }

/** Who may import whom. A package without a row (examples, benchmarks) may import any. */
const arrows: Readonly<Record<string, Row>> = {
  '@stowage/core': { to: [] },
  '@stowage/adapters': four,
  '@stowage/router': four,
  '@stowage/catalog': four,
  // A transfer between real stores is tested with real adapters.
  '@stowage/sync': { ...four, inTests: ['@stowage/adapters'] },
  stowage: { to: ['@stowage/core', '@stowage/adapters', '@stowage/router', '@stowage/catalog', '@stowage/sync'] },
  '@stowage/lambda': { to: ['stowage'], types: ['@stowage/core'], inTests: ['@stowage/core', '@stowage/adapters'] },
  '@stowage/test-support': { to: [] },
}

const testSupport = '@stowage/test-support'
const pure = '@stowage/router'
const pureBuiltins = new Set(['assert', 'buffer', 'crypto', 'util'])

interface SourceFile {
  /** Absolute path. */
  readonly file: string
  readonly pkg: WorkspacePackage
  readonly imports: readonly Import[]
}

/** What is wrong with the imports of the workspace in `base`, one line each. */
export function checkArrows(base: string = root): string[] {
  const packages = workspacePackages(base)
  const byName = new Map(packages.map((pkg) => [pkg.manifest.name, pkg]))
  const problems: string[] = []
  const sources: SourceFile[] = []

  for (const pkg of packages) {
    if (pkg.manifest.private !== true && arrows[pkg.manifest.name] === undefined) {
      problems.push(`${pkg.path}: ${pkg.manifest.name} has no row in scripts/arrows.ts`)
    }
    problems.push(...manifestProblems(pkg, byName))
    for (const path of globSync('**/*.{ts,mts,js,mjs}', { cwd: pkg.dir, exclude: ['node_modules/**', 'dist/**'] })) {
      const file = join(pkg.dir, path)
      const { imports, impurities } = scan(file)
      sources.push({ file, pkg, imports })
      const at = (line: number, text: string): number => problems.push(`${relative(base, file)}:${line}: ${text}`)
      for (const found of imports) {
        const problem = importProblem(file, pkg, found, byName)
        if (problem !== undefined) at(found.line, problem)
      }
      if (pkg.manifest.name === pure && !isTest(file)) {
        for (const { what, line } of impurities) at(line, `${what} in the router, which is pure`)
      }
    }
  }
  problems.push(...cycles(sources).map((files) => `cycle: ${files.map((file) => relative(base, file)).join(' -> ')}`))
  return problems.sort()
}

/** Tests, and what those in a folder `proof` play on, which is not published. */
function isTest(file: string): boolean {
  return file.endsWith('.test.ts') || file.includes('/src/proof/')
}

function mayImport(from: string, to: string, { typeOnly = false, inTest = false } = {}): boolean {
  const row = arrows[from]
  if (row === undefined || from === to || row.to.includes(to)) return true
  return (typeOnly && row.types?.includes(to) === true) || (inTest && row.inTests?.includes(to) === true)
}

function manifestProblems({ path, manifest }: WorkspacePackage, byName: Map<string, WorkspacePackage>): string[] {
  const problems: string[] = []
  const check = (names: Manifest['dependencies'], options: { typeOnly?: boolean; inTest?: boolean }): void => {
    for (const name of Object.keys(names ?? {})) {
      if (!byName.has(name) || (name === testSupport && options.inTest)) continue
      if (!mayImport(manifest.name, name, options)) problems.push(`${path}/package.json: may not depend on ${name}`)
    }
  }
  check({ ...manifest.dependencies, ...manifest.peerDependencies }, { typeOnly: true })
  check(manifest.devDependencies, { typeOnly: true, inTest: true })
  return problems
}

function importProblem(
  file: string,
  { dir, manifest }: WorkspacePackage,
  { specifier, typeOnly }: Import,
  byName: Map<string, WorkspacePackage>,
): string | undefined {
  if (specifier.startsWith('.') || specifier.startsWith('/')) {
    const inside = !relative(dir, resolve(dirname(file), specifier)).startsWith('..')
    return inside ? undefined : `"${specifier}" leaves the package: import what it exports`
  }
  const inTest = isTest(file)
  const builtin = specifier.replace(/^node:/, '')
  if (specifier.startsWith('node:') || builtinModules.includes(builtin)) {
    const allowed = manifest.name !== pure || inTest || typeOnly || pureBuiltins.has(builtin)
    return allowed ? undefined : `"${specifier}" in the router, which does no I/O`
  }
  const parts = specifier.split('/')
  const name = parts.slice(0, specifier.startsWith('@') ? 2 : 1).join('/')
  const target = byName.get(name)
  if (target === undefined) return undefined
  if (name === testSupport && manifest.name !== name && manifest.name in arrows) {
    return inTest ? undefined : `"${specifier}" is for tests alone`
  }
  if (!mayImport(manifest.name, name, { typeOnly, inTest })) {
    const types = mayImport(manifest.name, name, { typeOnly: true })
    return types ? `${manifest.name} may import types alone of ${name}` : `${manifest.name} may not import ${name}`
  }
  const subpath = `.${specifier.slice(name.length)}`
  return subpath in (target.manifest.exports ?? {}) ? undefined : `"${specifier}" is not among the exports of ${name}`
}

/** Every group of files that import one another in a circle, as one such circle each. */
function cycles(sources: readonly SourceFile[]): string[][] {
  const graph = new Map(
    sources.map(({ file, imports }) => [
      file,
      imports
        .filter(({ specifier }) => specifier.startsWith('.'))
        .map(({ specifier }) => resolve(dirname(file), specifier))
        .filter((target) => existsSync(target)),
    ]),
  )
  const found: string[][] = []
  const done = new Set<string>()
  const path: string[] = []
  const visit = (file: string): void => {
    const start = path.indexOf(file)
    if (start !== -1) {
      found.push([...path.slice(start), file])
      return
    }
    if (done.has(file)) return
    path.push(file)
    for (const target of graph.get(file) ?? []) visit(target)
    path.pop()
    done.add(file)
  }
  for (const file of graph.keys()) visit(file)
  return found
}
