export { type RustfsOptions, rustfs, rustfsQuirks } from './adapter.ts'
