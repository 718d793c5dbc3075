import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { runFolder } from './run/guard.ts'

/** Runs `cleanup` after the current test; outside of a test, does nothing. */
export function afterTest(cleanup: () => void | Promise<void>): void {
  try {
    onTestFinished(cleanup)
  } catch {
    // Called while tests are collected, from a hook, or outside of vitest.
  }
}

/** A new empty folder. Removed after the test that asked for it; one asked for outside of a test, at the end of the run. */
export function tempDir(prefix = 'tmp'): string {
  const path = mkdtempSync(join(runFolder(), `${prefix}-`))
  afterTest(() => rmSync(path, { recursive: true, force: true, maxRetries: 5 }))
  return path
}
