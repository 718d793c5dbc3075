export { mend, sweepMends } from './mend.ts'
