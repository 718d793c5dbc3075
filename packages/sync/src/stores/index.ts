export { fileStore } from './file.ts'
export { memoryStore } from './memory.ts'
export { type ObjectStoreOptions, objectStore } from './object.ts'
