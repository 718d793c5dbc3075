export { fileStore } from './file.ts'
export { memoryStore } from './memory.ts'
