/** Runs in every worker before its test file: what its child processes print and the errors that it expects are searched for secrets. */
import { subscribe } from 'node:diagnostics_channel'
import { relative } from 'node:path'
import { expect } from 'vitest'
import { watchChildren } from './children.ts'
import { noteSecret } from './found.ts'
import { findSecretIn } from './search.ts'

const once = Symbol.for('stowage.test.secrets')

/** The test file, and the test when one runs. */
function place(): string {
  const { testPath = 'a worker', currentTestName } = expect.getState()
  return `${relative(process.cwd(), testPath)}${currentTestName === undefined ? '' : `: ${currentTestName}`}`
}

// Without isolation a worker runs several files.
if (!(once in globalThis)) {
  Object.defineProperty(globalThis, once, { value: true })
  watchChildren(place)
  // Published by expectCode of @stowage/core/testing.
  subscribe('stowage.testing.error', (error) => {
    const form = findSecretIn(error)
    if (form !== undefined) noteSecret(`${place()}: an error`, form)
  })
}
