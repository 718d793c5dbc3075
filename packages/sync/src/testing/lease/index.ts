export { type LeaseSuite, testLease } from './suite.ts'
