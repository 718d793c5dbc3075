export { type AdapterConfig, adapterTypes, createAdapter } from './registry.ts'
