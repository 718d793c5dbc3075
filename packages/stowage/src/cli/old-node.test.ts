import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

it('on a Node that is too old it says which one it needs, and ends as bad usage does', async () => {
  const bin = new URL('../../bin/stowage.js', import.meta.url).href
  const older = `
    Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '22.17.3' } })
    import(${JSON.stringify(bin)})`
  const run = promisify(execFile)(process.execPath, ['--input-type=module', '-e', older, '--', '--version'])
  await expect(run).rejects.toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('needs Node 22.18') })
})
