export type { AdapterUnderTest } from './case.ts'
export { type AdapterSuite, testAdapter } from './test-adapter.ts'
