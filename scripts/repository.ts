/** Checks of files that no other tool looks at: the lockfile, and what must not be written anywhere. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './workspace.ts'

interface Lockfile {
  readonly packages: Readonly<Record<string, { readonly resolved?: string; readonly link?: boolean }>>
}

const registry = 'https://registry.npmjs.org/'

/** Entries of a lockfile that would be fetched from anywhere but the public registry. */
export function lockfileProblems(text: string): string[] {
  const { packages } = JSON.parse(text) as Lockfile
  return Object.entries(packages)
    .filter(([, { resolved, link }]) => resolved !== undefined && !link && !resolved.startsWith(registry))
    .map(([path, { resolved }]) => `package-lock.json: ${path} comes from ${resolved}`)
}

/** Absolute paths of a developer's machine. Written in parts, so that this file passes its own check. */
const machinePath = new RegExp(`(?<![\\w.:~/-])/(?:${['work', 'root', 'home', 'Users'].join('|')})/[\\w.-]+`)

/** Lines of a file that name a folder of somebody's machine. */
export function machinePaths(file: string, text: string): string[] {
  return text
    .split('\n')
    .flatMap((line, index) => (machinePath.test(line) ? [`${file}:${index + 1}: ${line.trim().slice(0, 120)}`] : []))
}

/** Checks the repository in `base`: what git tracks, and what it would. */
export function checkRepository(base: string = root): string[] {
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: base })
  const problems = lockfileProblems(readFileSync(join(base, 'package-lock.json'), 'utf8'))
  for (const file of listed.toString().split('\0').filter(Boolean)) {
    const content = readIfThere(join(base, file))
    if (content !== undefined && !content.includes(0)) problems.push(...machinePaths(file, content.toString()))
  }
  return problems
}

/** A file may be listed and gone: deleted, not yet committed. */
function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path)
  } catch (error) {
    if (['ENOENT', 'EISDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}
