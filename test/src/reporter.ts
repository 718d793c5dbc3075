/**
 * Ends a run with the tests that were skipped, each with its reason, and one plain line: `N passed, N failed`, with
 * `, N skipped` when some were. What stops tests from running at all (a file that cannot be loaded, a failing hook, an
 * unhandled error, no tests, a skip without a reason) counts as failed; and so does a secret of the tests in what anybody printed.
 */
import { writeSync } from 'node:fs'
import { relative } from 'node:path'
import type { Reporter, SerializedError, TestCase, TestModule, TestSuite, Vitest } from 'vitest/node'
import { lateSecrets } from './run/late.ts'
import { notedSecrets } from './secrets/found.ts'
import { findSecret, findSecretIn, maskSecrets } from './secrets/search.ts'
import { watchTerminal } from './secrets/terminal.ts'

/** The counts of a run. */
export interface Counts {
  passed: number
  failed: number
  skipped: number
}

export function countLine({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`
}

type ConsoleLog = Parameters<NonNullable<Reporter['onUserConsoleLog']>>[0]

const namesShown = 5

export default class CountReporter implements Reporter {
  #vitest: Vitest | undefined
  #counts: Counts = { passed: 0, failed: 0, skipped: 0 }
  /** Names of skipped tests by reason. */
  #skips = new Map<string, string[]>()
  #problems: string[] = []
  /** Places where a secret was printed. */
  readonly #printed = new Set<string>()
  /** The same, as far as it is not known who did it. */
  readonly #onTerminal = new Set<string>()

  onInit(vitest: Vitest): void {
    this.#vitest = vitest
    watchTerminal((stream, form) => this.#onTerminal.add(`${stream} of the run has a secret (${form})`))
    // At the very end, after whatever else prints.
    process.once('exit', () => this.#finish())
  }

  onUserConsoleLog({ content, type, taskId }: ConsoleLog): void {
    const form = findSecret(content)
    if (form === undefined) return
    const task = taskId === undefined ? undefined : this.#vitest?.state.idMap.get(taskId)
    const file = task === undefined ? 'a test' : relative(process.cwd(), task.file.filepath)
    const name = task === undefined || task.type === 'suite' ? '' : `: ${task.fullTestName}`
    this.#printed.add(`${file}${name}: ${type} printed a secret (${form})`)
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): void {
    this.#counts = { passed: 0, failed: 0, skipped: 0 }
    this.#skips = new Map()
    this.#problems = unhandledErrors.map((error) => `unhandled error: ${error.message}`)
    for (const error of unhandledErrors) this.#searchError('an unhandled error', error)
    for (const module of modules) {
      this.#addErrors(module, module.moduleId)
      for (const suite of module.children.allSuites()) this.#addErrors(suite, suite.fullName)
      for (const test of module.children.allTests()) this.#addTest(test)
    }
    this.#counts.failed += this.#problems.length
    if (this.#counts.failed > 0) process.exitCode = 1
  }

  #addErrors(entity: TestModule | TestSuite, name: string): void {
    for (const error of entity.errors()) {
      this.#problems.push(`${name}: ${error.message}`)
      this.#searchError(name, error)
    }
  }

  #searchError(name: string, error: SerializedError): void {
    const form = findSecretIn(error)
    if (form !== undefined) this.#printed.add(`${name}: an error has a secret (${form})`)
  }

  #addTest(test: TestCase): void {
    const result = test.result()
    if (result.state === 'passed') this.#counts.passed++
    else if (result.state === 'skipped') this.#addSkip(test, result.note)
    // Pending: the run ended before the test did.
    else this.#counts.failed++
    for (const error of result.errors ?? []) this.#searchError(nameOf(test), error)
  }

  #addSkip(test: TestCase, note: string | undefined): void {
    // A name pattern leaves tests out, and a failing hook has been counted itself.
    if (note === undefined && (this.#vitest?.config.testNamePattern || hasFailedParent(test))) return
    this.#counts.skipped++
    const name = nameOf(test)
    if (note === undefined) {
      this.#problems.push(`${name} is skipped without a reason: call skip(reason) of the test's context`)
      return
    }
    this.#skips.set(note, [...(this.#skips.get(note) ?? []), name])
  }

  #finish(): void {
    const counts = this.#counts
    const printed = new Set([...this.#printed, ...notedSecrets(process.env['STOWAGE_TEST_RUN_DIR']), ...lateSecrets()])
    for (const place of printed.size > 0 ? printed : this.#onTerminal) {
      counts.failed++
      this.#problems.push(place)
    }
    if (counts.failed > 0) process.exitCode ||= 1
    if (process.exitCode && counts.failed === 0) counts.failed = 1
    const lines: string[] = []
    for (const [reason, names] of this.#skips) {
      lines.push(`skipped ${names.length}: ${reason}`, ...names.slice(0, namesShown).map((name) => `    ${name}`))
      if (names.length > namesShown) lines.push(`    and ${names.length - namesShown} more`)
    }
    lines.push(...this.#problems.map((problem) => `failed: ${problem}`))
    if (counts.failed > 0) lines.push(`seed ${process.env['STOWAGE_TEST_SEED']} (STOWAGE_TEST_SEED repeats it)`)
    lines.push(countLine(counts))
    writeSync(1, maskSecrets(`\n${lines.join('\n')}\n`))
  }
}

function nameOf(test: TestCase): string {
  return `${relative(process.cwd(), test.module.moduleId)}: ${test.fullName}`
}

function hasFailedParent(test: TestCase): boolean {
  let parent: TestSuite | TestModule = test.parent
  while (parent.type === 'suite') {
    if (parent.errors().length > 0) return true
    parent = parent.parent
  }
  return parent.errors().length > 0
}
