/** Makes the servers that a run would build on demand, so that the time is not spent inside of it. */
import { findMinio } from './minio.ts'

const found = await findMinio().catch((error: Error) => error.message)
console.log(`minio: ${typeof found === 'string' ? found : 'binary' in found ? found.binary : 'in a container'}`)
