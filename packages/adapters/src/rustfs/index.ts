export { type RustfsOptions, rustfs } from './adapter.ts'
