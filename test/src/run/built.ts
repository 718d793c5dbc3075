import { globSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Whether each package below a folder was built after its sources were changed for the last time. Programs then start from what was built,
 * which are a few files in place of hundreds: it takes a third of the time, and hundreds are started in a run.
 */
export function isBuilt(packages: string): boolean {
  return readdirSync(packages).every((name) => {
    const cwd = join(packages, name)
    const times = (pattern: string, exclude: string[] = []): number[] =>
      globSync(pattern, { cwd, exclude }).map((file) => statSync(join(cwd, file)).mtimeMs)
    // A source that is gone was imported by another, which is changed then.
    const changed = [...times('src/**/*.ts', ['**/*.test.ts']), ...times('package.json')]
    const built = times('dist/**/*.js')
    return built.length > 0 && Math.max(...changed) < Math.min(...built)
  })
}
