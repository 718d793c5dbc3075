import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freshBucket, runCli, tempDir, testSecret, withMinio } from '@stowage/test-support'
import { expect, it } from 'vitest'

await withMinio((server) => {
  async function folderWith(lan: object): Promise<string> {
    const cwd = tempDir('bad')
    mkdirSync(join(cwd, 'disk'))
    writeFileSync(join(cwd, 'disk', 'x'), 'x')
    const bucket = await freshBucket(server)
    const { endpoint, accessKey, secretKey } = server
    const good = { id: 'lan', type: 'minio', endpoint, bucket: bucket.name, accessKey, secretKey }
    const sources = [
      { id: 'disk', type: 'filesystem', root: './disk' },
      { ...good, ...lan },
    ]
    writeFileSync(join(cwd, 'stowage.config.json'), JSON.stringify({ sources }))
    return cwd
  }

  it.each([
    ['a wrong secret', { secretKey: testSecret('not-the-one') }, 'access-denied', /Check .*secretKey/],
    ['a wrong access key', { accessKey: 'nobody' }, 'access-denied', /Check .*accessKey/],
    ['a missing bucket', { bucket: 'no-such-bucket-here' }, 'bucket-not-found', /Create it, or check its name/],
  ])('%s: one line that says what to do, exit 3, nothing touched', async (_, lan, code, hint) => {
    const cwd = await folderWith(lan)
    for (const args of [
      ['sync', 'disk:', 'lan:x'],
      ['sync', 'lan:x', 'disk:', '--delete'],
      ['verify', 'disk:', 'lan:x'],
    ]) {
      const run = await runCli(args, { cwd })
      expect(run.code, args.join(' ')).toBe(3)
      expect(run.stderr).toMatch(new RegExp(`^stowage: error \\[${code}\\]: [^\n]+\n$`))
      expect(run.stderr).toMatch(hint)
      expect(run.stderr).not.toContain(testSecret('not-the-one'))
      expect(run.stdout).toBe('')
    }
    const test = await runCli(['source', 'test', 'lan'], { cwd })
    expect(test.code).toBe(1)
    expect(test.stdout).toContain(code)
  })
})
