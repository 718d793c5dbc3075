export { type AdapterConfig, adapterTypes, createAdapter } from './registry/index.ts'
