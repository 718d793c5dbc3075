import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { withMinio } from '@stowage/test-support'
import { expect, it } from 'vitest'

async function quickstart(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--conditions=stowage-source', join(import.meta.dirname, 'main.ts'), ...args],
    { env: { ...process.env, NODE_NO_WARNINGS: '1' } },
  )
  return stdout
}

function expectScenarios(output: string): void {
  expect(output).toContain('published on oss-public')
  expect(output).toMatch(/policy "inward": 307 files to minio-inside, every digest verified/)
  expect(output).toMatch(/minio-inside failed \[\w+\]; oss-public goes on at byte [1-9]\d+/)
  expect(output).toContain('identical by digest')
  expect(output).not.toContain('DIFFERENT')
  expect(output).toMatch(/published on minio-inside: 4 files\n {3}policy "backup": 4 files to oss-public, success/)
  expect(output).toContain('a node in cn-hangzhou reads from oss-public, then minio-inside')
}

it('shows the three scenarios on two folders', async () => {
  expectScenarios(await quickstart())
})

await withMinio(() => {
  it('shows them on a real MinIO', async () => {
    const output = await quickstart('--minio')
    expectScenarios(output)
    expect(output).toMatch(/url from minio-inside: http:\/\/127/)
  })
})
