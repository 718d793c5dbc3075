import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'

/** The repository's root folder. */
export const root: string = resolve(import.meta.dirname, '..')

/** The condition under which workspace packages resolve to their TypeScript sources. */
const sourceCondition = 'stowage-source'

type ExportTarget = string | { readonly [condition: string]: string }

export interface Manifest {
  readonly name: string
  readonly version: string
  readonly private?: boolean
  readonly bin?: Readonly<Record<string, string>>
  readonly exports?: Readonly<Record<string, ExportTarget>>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

export interface WorkspacePackage {
  /** Absolute path of the package's folder. */
  readonly dir: string
  /** Path from the repository's root, with forward slashes: `packages/core`. */
  readonly path: string
  readonly manifest: Manifest
}

/** Reads the `package.json` of a folder. */
function readManifest(dir: string): Manifest {
  return JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8')) as Manifest
}

/** Every workspace package, in the order of their paths. `base` is another tree with the same layout. */
export function workspacePackages(base: string = root): WorkspacePackage[] {
  const { workspaces } = JSON.parse(readFileSync(join(base, 'package.json'), 'utf8')) as { workspaces: string[] }
  return workspaces
    .flatMap((pattern) => globSync(`${pattern}/package.json`, { cwd: base }))
    .map((file) => join(base, dirname(file)))
    .sort()
    .map((dir) => ({ dir, path: relative(base, dir).replaceAll('\\', '/'), manifest: readManifest(dir) }))
}

/** The packages that go to the registry. */
export function publishedPackages(base: string = root): WorkspacePackage[] {
  return workspacePackages(base).filter((pkg) => pkg.manifest.private !== true)
}

export interface EntryPoint {
  /** The specifier's end as written in `exports`, or the path of a `bin` file. */
  readonly from: string
  /** Source file, relative to the package. */
  readonly source: string
  /** Built file, relative to the package. */
  readonly output: string
}

/**
 * The entry points of a package: each subpath of `exports` that has a source, and each `../dist/*.js` that a `bin` file
 * imports (built from `src/<name>.ts` or `src/<name>/main.ts`).
 *
 * @throws Error when an `exports` target does not point at `dist/` the way its source lies in `src/`.
 */
export function entryPoints(pkg: WorkspacePackage): EntryPoint[] {
  const entries: EntryPoint[] = []
  for (const [subpath, target] of Object.entries(pkg.manifest.exports ?? {})) {
    if (typeof target === 'string') continue
    const source = target[sourceCondition]
    if (source === undefined) continue
    const expected = source.replace(/^\.\/src\//, './dist/').replace(/\.ts$/, '')
    if (target['default'] !== `${expected}.js` || target['types'] !== `${expected}.d.ts`) {
      throw new Error(`${pkg.path}: exports["${subpath}"] should lead to ${expected}.js and ${expected}.d.ts`)
    }
    entries.push({ from: subpath, source: source.slice(2), output: `${expected}.js`.slice(2) })
  }
  for (const bin of new Set(Object.values(pkg.manifest.bin ?? {}))) {
    const file = join(pkg.dir, bin)
    if (!existsSync(file)) continue
    for (const match of readFileSync(file, 'utf8').matchAll(/['"]\.\.\/dist\/([^'"]+)\.js['"]/g)) {
      const name = match[1] as string
      const source = [`src/${name}.ts`, `src/${name}/main.ts`].find((path) => existsSync(join(pkg.dir, path)))
      entries.push({ from: bin, source: source ?? `src/${name}.ts`, output: `dist/${name}.js` })
    }
  }
  return entries.filter((entry, index) => entries.findIndex((other) => other.output === entry.output) === index)
}
