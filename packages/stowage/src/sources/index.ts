export { Sources, type SourceView } from './sources.ts'
