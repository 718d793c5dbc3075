import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { ServerUnavailable } from '../servers/server.ts'
import { startOssDouble } from './double.ts'
import { pythonSdk } from './python.ts'

const run = promisify(execFile)

describe("the double answers Alibaba's own Python SDK", () => {
  it.for(['v1', 'v4'])('with signatures of version %s', { timeout: 300_000 }, async (version, { skip }) => {
    const sdk = await pythonSdk().catch((error: unknown) => {
      if (!(error instanceof ServerUnavailable) || process.env['CI'] === 'true') throw error
      return error
    })
    if (sdk instanceof ServerUnavailable) return skip(sdk.message)
    await using double = await startOssDouble()
    const { accessKey, secretKey, sessionToken } = double.issueCredentials(3_600_000)
    const own = [double.endpoint, double.region, double.createBucket(), double.accessKey, double.secretKey]
    const script = join(import.meta.dirname, 'sdk.py')
    const { stdout } = await run(sdk.python, ['-S', script, ...own, version, accessKey, secretKey, sessionToken], {
      env: { ...process.env, PYTHONPATH: sdk.packages, PYTHONDONTWRITEBYTECODE: '1' },
    })
    expect(stdout).toContain(`signature ${version}`)
  })
})
