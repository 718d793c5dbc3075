export { copiesOf, manifestsFor } from './copies.ts'
export { checkSmall, writtenAs } from './expected.ts'
