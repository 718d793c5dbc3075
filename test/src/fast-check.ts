/** What `import ... from 'fast-check'` gives in a test (see vitest.config.ts): fast-check with the seed of the run. */
import fc from 'fast-check'
import { testSeed } from './level.ts'

fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: testSeed() })

export * from 'fast-check'
export { fc as default }
