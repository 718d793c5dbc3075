/**
 * Everything that can be said of the repository without running its tests.
 *
 *   npm run check                 every check
 *   npm run check -- types knip   some of them
 *
 * Ends with `N checks passed, N failed`.
 */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkArrows } from './arrows.ts'
import { checkRepository } from './repository.ts'
import { publishedPackages, root } from './workspace.ts'

/** What is wrong, as text to print; empty when nothing is. */
type Check = () => string | Promise<string>

const bin = (name: string): string => join(root, 'node_modules/.bin', name)

/** Runs a program; its output when it fails. */
function output(command: string, args: readonly string[], cwd: string = root): Promise<string> {
  const env: NodeJS.ProcessEnv = { ...process.env, NO_COLOR: '1' }
  delete env['FORCE_COLOR']
  return new Promise((resolve) => {
    execFile(command, args, { cwd, env, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      resolve(error === null ? '' : `${stdout}${stderr}`.trim() || error.message)
    })
  })
}

const first = async (...runs: readonly (() => Promise<string>)[]): Promise<string> => {
  for (const step of runs) {
    const problem = await step()
    if (problem !== '') return problem
  }
  return ''
}

/** Packs every published package, as the registry would get it, and looks at the archives. */
async function checkPackages(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'stowage-check-'))
  try {
    const problems = await Promise.all(
      publishedPackages().map(async ({ dir, manifest }) => {
        const archive = join(folder, `${manifest.name.replace(/^@/, '').replace('/', '-')}-${manifest.version}.tgz`)
        return first(
          () => output('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], dir),
          () => output(bin('publint'), ['run', '--strict', archive]),
          () => output(bin('attw'), [archive, '--profile', 'esm-only', '--format', 'ascii', '--no-emoji']),
        )
      }),
    )
    return problems.filter((problem) => problem !== '').join('\n\n')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const checks: Readonly<Record<string, Check>> = {
  /** Format, lint, order of imports, no focused or skipped test. */
  biome: () => output(bin('biome'), ['ci', '--colors=off', '--error-on-warnings', '--max-diagnostics=100']),
  /** Types of everything, tests and scripts included; then the stricter rules for what is published. */
  types: () =>
    first(
      () => output(bin('tsc'), ['-p', 'tsconfig.json']),
      () => output(bin('tsc'), ['-p', 'tsconfig.library.json']),
    ),
  /** Who imports whom. */
  arrows: () => checkArrows().join('\n'),
  /** The lockfile, and paths of a machine. */
  repository: () => checkRepository().join('\n'),
  /** The README's table of what each store can do is what the adapters say. */
  capabilities: () => output(process.execPath, ['--conditions=stowage-source', 'scripts/capabilities.ts']),
  /** The lockfile agrees with every package.json, so that `npm ci` will install it, on other systems too. */
  lockfile: () => output('npm', ['ci', '--dry-run', '--ignore-scripts', '--no-audit', '--no-fund']),
  /** Files, exports and dependencies that nobody uses, and those that are used and not declared. */
  knip: () => output(bin('knip'), ['--no-progress']),
  /** Every entry point builds. */
  build: () => output(process.execPath, ['scripts/build.ts']),
  /** What goes to the registry resolves, with its types. */
  packages: checkPackages,
}

/** A check that throws has found something too. */
async function run(check: Check): Promise<string> {
  try {
    return await check()
  } catch (error) {
    return String(error instanceof Error ? error.stack : error)
  }
}

const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => !(name in checks))
if (unknown.length > 0) {
  console.error(`no check is called ${unknown.join(', ')}; there are: ${Object.keys(checks).join(', ')}`)
  process.exit(2)
}

let passed = 0
let failed = 0
for (const [name, check] of Object.entries(checks)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  const started = performance.now()
  const problem = await run(check)
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  if (problem === '') passed++
  else {
    failed++
    console.log(`\n${problem}\n`)
  }
  console.log(`${problem === '' ? 'ok    ' : 'FAILED'} ${name} (${seconds} s)`)
}
console.log(`${passed} checks passed, ${failed} failed`)
if (failed > 0) process.exitCode = 1
