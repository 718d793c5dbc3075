import { homedir } from 'node:os'
import { join } from 'node:path'
import { askMain } from '../run/coordinator.ts'
import { findBinary, isExecutable } from './find.ts'
import { type OwnServer, ServerUnavailable, type StartOptions, type TestServer } from './server.ts'
import { startServer, testKeys } from './start.ts'

/** Finds RustFS: `STOWAGE_TEST_RUSTFS`, the PATH, Cargo's folder. It is never built: that takes close to an hour. */
function findRustfs(): string {
  const wanted = process.env['STOWAGE_TEST_RUSTFS']
  if (wanted) {
    if (isExecutable(wanted)) return wanted
    throw new ServerUnavailable(`RustFS: STOWAGE_TEST_RUSTFS names ${wanted}, which cannot be executed`)
  }
  const found = findBinary('rustfs', [join(homedir(), '.cargo/bin')])
  if (found === undefined) throw new ServerUnavailable('RustFS: not on the PATH, and STOWAGE_TEST_RUSTFS is not set')
  return found
}

/**
 * Starts a RustFS of the caller's own, which it may kill.
 * @throws ServerUnavailable when there is none
 */
export async function startRustfs(options: StartOptions = {}): Promise<OwnServer> {
  if (options.tls) throw new ServerUnavailable('RustFS: the tests do not start it with TLS')
  return startServer(
    {
      name: 'rustfs',
      binary: findRustfs(),
      command: ({ address, data }) => ({
        args: ['server', '--address', address, data],
        env: {
          RUSTFS_ACCESS_KEY: testKeys.accessKey,
          RUSTFS_SECRET_KEY: testKeys.secretKey,
          RUSTFS_CONSOLE_ENABLE: 'false',
        },
      }),
    },
    options,
  )
}

let shared: Promise<TestServer> | undefined

/**
 * The RustFS that all tests of a run share.
 * @throws ServerUnavailable when there is none; `withRustfs` turns that into a skip with its reason
 */
export function rustfs(): Promise<TestServer> {
  shared ??= askMain('rustfs').then((answer) => {
    if (answer === undefined) return startRustfs()
    if ('error' in answer) throw new ServerUnavailable(answer.error)
    return answer.value as TestServer
  })
  return shared
}
