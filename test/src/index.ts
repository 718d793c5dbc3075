export {
  type CliOptions,
  type CliProcess,
  type CliRun,
  cliProgram,
  nodeArgs,
  runCli,
  startCli,
  startProgram,
  startWorker,
} from './cli.ts'
export { runs, type TestLevel, testLevel, testSeed } from './level.ts'
export {
  OssDouble,
  type OssDoubleOptions,
  type OssErrorCode,
  type OssFault,
  resolveLocalhost,
  type SeenRequest,
  type SessionCredentials,
  startOssDouble,
} from './oss-double/index.ts'
export type { Direction, Fault, FaultKind } from './proxy/faults.ts'
export { type HttpAnswer, type HttpProxy, startHttpProxy } from './proxy/http-proxy.ts'
export { type Proxy, type ProxyOptions, startProxy } from './proxy/proxy.ts'
export type { StoreCall } from './proxy/store-call.ts'
export {
  type Meddling,
  type SeenCall,
  type StoreProxy,
  type StoreRule,
  startStoreProxy,
} from './proxy/store-proxy.ts'
export { runMarker, testKey, testSecret } from './secrets/marker.ts'
export { findSecret, findSecretIn } from './secrets/search.ts'
export { type FreshBucket, freshBucket } from './servers/bucket.ts'
export { createCertificate } from './servers/certificate.ts'
export { cacheFolder, findBinary, goFolders, goInstall } from './servers/find.ts'
export { minio, startMinio } from './servers/minio.ts'
export { createMinioUser, type MinioPolicy, setMinioPolicy } from './servers/minio-user.ts'
export { type OwnPostgres, type PostgresServer, postgres, startPostgres } from './servers/postgres.ts'
export { type OwnRedis, type RedisServer, redis, startRedis } from './servers/redis.ts'
export { rustfs, startRustfs } from './servers/rustfs.ts'
export { type OwnServer, ServerUnavailable, type StartOptions, type TestServer } from './servers/server.ts'
export { type Allowed, type SessionKeys, sessionKeys } from './servers/session.ts'
export { type SignedRequest, type SignedResponse, s3Request } from './servers/signed.ts'
export { freePort } from './servers/start.ts'
export { withMinio, withPostgres, withRedis, withRustfs } from './servers/with.ts'
export { tempDir } from './tmp.ts'
export { type UntilOptions, until } from './until.ts'
