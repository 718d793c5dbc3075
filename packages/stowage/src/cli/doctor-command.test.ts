import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freshBucket, sessionKeys, tempDir, withMinio } from '@stowage/test-support'
import { expect, it } from 'vitest'
import { runIn } from './testing.ts'

async function doctor(sources: object[], args: string): Promise<{ code: number; stdout: string; stderr: string }> {
  const cwd = tempDir('doctor')
  writeFileSync(join(cwd, 'stowage.config.json'), JSON.stringify({ sources, catalog: { type: 'memory' } }))
  return runIn(cwd, `source doctor ${args}`.trim().split(' '))
}

it('looks at a folder and at memory', async () => {
  const { code, stdout } = await doctor(
    [
      { id: 'disk', type: 'filesystem', root: '.' },
      { id: 'mem', type: 'memory' },
    ],
    '',
  )
  expect(code).toBe(0)
  expect(stdout).toMatch(/disk\n[\s\S]*free-space[\s\S]*mem\n[\s\S]*It served a probe/)
})

it('ends with 1 when something is wrong, and with 2 for a source that is not there', async () => {
  const sources = [{ id: 'disk', type: 'filesystem', root: './none' }]
  const { code, stdout } = await doctor(sources, 'disk --json')
  expect(code).toBe(1)
  expect(JSON.parse(stdout)).toMatchObject([
    { id: 'disk', ok: false, findings: [{ severity: 'error', code: 'root', hint: expect.any(String) }] },
  ])
  expect((await doctor(sources, 'other')).code).toBe(2)
})

await withMinio((server) => {
  it('names the rights that are missing and a policy that has them', async () => {
    const bucket = await freshBucket(server)
    const keys = await sessionKeys(server, [
      { actions: ['s3:ListBucket', 's3:GetObject'], on: [bucket.name, `${bucket.name}/*`] },
    ])
    const { endpoint, region } = server
    const lan = { id: 'lan', type: 'minio', endpoint, region, bucket: bucket.name, ...keys }
    const { code, stdout, stderr } = await doctor([lan], 'lan')
    expect(code).toBe(1)
    expect(stdout).toContain('permission-put')
    expect(stdout).toContain(`"arn:aws:s3:::${bucket.name}/*"`)
    expect(stdout + stderr).not.toContain(keys.secretKey)
    expect(stdout + stderr).not.toContain(keys.sessionToken)
  })
})
