export { HttpPool } from './pool.ts'
export type { AnswerControl, AnswerHandler, HeaderList } from './request.ts'
