export { type Exchange, exchange } from './exchange.ts'
export { HttpPool } from './pool.ts'
export type { HeaderList } from './request.ts'
