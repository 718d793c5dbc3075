/**
 * Builds every published package: JavaScript by tsup, declarations by the TypeScript compiler.
 * Entry points come from each package's `exports`, so that what is built and what is offered cannot differ.
 *
 *   node scripts/build.ts [package ...] [--partial]
 *
 * `--partial` builds what exists and warns about the rest.
 */
import { execFile } from 'node:child_process'
import { copyFileSync, existsSync, globSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { build } from 'tsup'
import { type EntryPoint, entryPoints, publishedPackages, root, type WorkspacePackage } from './workspace.ts'

const { values, positionals } = parseArgs({ allowPositionals: true, options: { partial: { type: 'boolean' } } })
const started = Date.now()
const packages = publishedPackages().filter(
  (pkg) => positionals.length === 0 || positionals.some((name) => [pkg.manifest.name, pkg.path].includes(name)),
)
const problems: string[] = []

/**
 * Dependencies that are built in, by the package that has them: they are many small files, which take longer to find than to run. They stay
 * dependencies, for their types.
 */
const builtIn: Readonly<Record<string, readonly string[]>> = {
  '@stowage/catalog': ['kysely', 'zod'],
  '@stowage/router': ['zod'],
  stowage: ['zod'],
}

/** Their licences ask to be where the code is. */
function licenceOf(name: string): string {
  return `/*! ${name}\n${readFileSync(join(root, 'node_modules', name, 'LICENSE'), 'utf8').trim()}\n*/`
}

/** The entry points whose source is there; the others are problems. */
function present(pkg: WorkspacePackage): EntryPoint[] {
  return entryPoints(pkg).filter((entry) => {
    if (existsSync(join(pkg.dir, entry.source))) return true
    problems.push(`${pkg.path}: "${entry.from}" has no ${entry.source}`)
    return false
  })
}

async function bundle(pkg: WorkspacePackage, entries: readonly EntryPoint[]): Promise<void> {
  const named = entries.map(({ source, output }) => [
    output.slice('dist/'.length, -'.js'.length),
    join(pkg.dir, source),
  ])
  await build({
    config: false,
    entry: Object.fromEntries(named),
    outDir: join(pkg.dir, 'dist'),
    format: 'esm',
    platform: 'node',
    target: 'node22',
    splitting: true,
    sourcemap: true,
    clean: false,
    dts: false,
    silent: true,
    // Whatever is not a relative import stays one: dependencies, peers and sibling packages.
    skipNodeModulesBundle: true,
    noExternal: [...(builtIn[pkg.manifest.name] ?? [])],
    banner: { js: (builtIn[pkg.manifest.name] ?? []).map(licenceOf).join('\n') },
    // `node:sqlite` and `node:test` exist only under their prefix.
    removeNodeProtocol: false,
  })
}

/** Writes the declarations of `packages` and of what they refer to. Type errors are the business of `npm run check`. */
async function declarations(of: readonly WorkspacePackage[]): Promise<void> {
  const projects = of.map((pkg) => join(pkg.path, 'tsconfig.build.json'))
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  await promisify(execFile)(process.execPath, [tsc, '--build', '--noCheck', ...projects], { cwd: root }).catch(
    (error: { stdout?: string; message: string }) => {
      problems.push(`declarations:\n${error.stdout || error.message}`)
    },
  )
}

/** Removes what an earlier build left and this one did not write. */
function removeStale(pkg: WorkspacePackage): void {
  const sources = new Set(
    globSync('**/*.ts', { cwd: join(pkg.dir, 'src') }).map((file) => file.slice(0, -'.ts'.length)),
  )
  for (const file of globSync('dist/**/*.{js,js.map,d.ts,d.ts.map}', { cwd: pkg.dir })) {
    const name = relative('dist', file)
    const stale = /\.d\.ts(\.map)?$/.test(name)
      ? !sources.has(name.replace(/\.d\.ts(\.map)?$/, ''))
      : statSync(join(pkg.dir, file)).mtimeMs < started - 1000
    if (stale) rmSync(join(pkg.dir, file))
  }
}

const buildable = packages.map((pkg) => ({ pkg, entries: present(pkg) })).filter(({ entries }) => entries.length > 0)
await Promise.all([
  declarations(buildable.map(({ pkg }) => pkg)),
  ...buildable.map(({ pkg, entries }) =>
    bundle(pkg, entries).catch((error: Error) => problems.push(`${pkg.path}: ${error.message}`)),
  ),
])
for (const { pkg, entries } of buildable) {
  removeStale(pkg)
  // npm takes a licence from the package's own folder alone.
  copyFileSync(join(root, 'LICENSE'), join(pkg.dir, 'LICENSE'))
  for (const { from, output } of entries) {
    const files = from.startsWith('./bin/') ? [output] : [output, output.replace(/\.js$/, '.d.ts')]
    for (const file of files) {
      if (!existsSync(join(pkg.dir, file))) problems.push(`${pkg.path}: ${file} was not built`)
    }
  }
}

console.log(
  `built ${buildable.length} of ${packages.length} packages in ${((Date.now() - started) / 1000).toFixed(1)} s`,
)
for (const problem of problems) console.error(`${values.partial ? 'warning' : 'error'}: ${problem}`)
if (problems.length > 0 && !values.partial) process.exitCode = 1
