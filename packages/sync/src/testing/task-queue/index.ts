export { LeapClock } from './clock.ts'
export { type TaskQueueSuite, testTaskQueue } from './suite.ts'
export { endedAs, someTask, type TaskQueueUnderTest } from './under-test.ts'
