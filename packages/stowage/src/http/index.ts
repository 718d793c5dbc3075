export { type HttpApp, type HttpAppOptions, httpApp } from './app.ts'
export { type Listening, type ListenOptions, listen } from './listen.ts'
export type { Peer } from './local-only.ts'
export type { Problem } from './problem.ts'
