import { cpSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freshBucket, runCli, runs, tempDir, withMinio } from '@stowage/test-support'
import { expect, it } from 'vitest'

const documentation = '/usr/share/doc'

/** Folders of the documentation, the first ones, their links as they are, until there are so many names. */
function copyDocumentation(root: string, names: number): void {
  let copied = 0
  for (const entry of readdirSync(documentation, { withFileTypes: true })) {
    if (copied >= names) return
    cpSync(join(documentation, entry.name), join(root, entry.name), { recursive: true, verbatimSymlinks: true })
    copied += entry.isDirectory() ? readdirSync(join(documentation, entry.name), { recursive: true }).length : 1
  }
}

/** A tree of odd names, for machines without a documentation folder and to be sure of the odd ones. */
function writeTree(root: string, files: number): void {
  const odd = [
    'a b',
    'a+b',
    '100%',
    '%41',
    'q?x=1&y',
    'tab\there',
    "it's",
    '"quoted"',
    '数据',
    '\u{1f431}',
    '\uff5e',
    'caf\u00e9',
    'cafe\u0301',
    '-dash',
    '~',
    '#',
    'a:b',
    'a|b',
    'a\\b',
    '<x>',
    '*',
  ]
  for (const [i, name] of odd.entries()) {
    mkdirSync(join(root, 'odd', `${name}.d`), { recursive: true })
    writeFileSync(join(root, 'odd', name), `odd ${i}`)
    writeFileSync(join(root, 'odd', `${name}.d`, 'inner'), `inner ${i}`)
  }
  for (let i = 0; i < files; i++) {
    const folder = join(root, 'many', String(i % 37), String(i % 5))
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, `${i}.txt`), Buffer.alloc((i * 131) % 5000, i))
  }
}

await withMinio((server) => {
  it.each([
    ['a tree of odd names', undefined],
    ['the documentation of this machine', documentation],
  ])(
    '%s goes to MinIO byte by byte, and again moves nothing',
    async (_, folder) => {
      const cwd = tempDir('tree')
      const isThere = folder !== undefined && existsSync(folder)
      const root = isThere ? runs(join(cwd, 'doc'), folder) : join(cwd, 'tree')
      if (!isThere) writeTree(root, runs(200, 5000))
      else if (root !== folder) copyDocumentation(root, 500)
      const bucket = await freshBucket(server)
      const { endpoint, accessKey, secretKey } = server
      writeFileSync(
        join(cwd, 'stowage.config.json'),
        JSON.stringify({
          sources: [
            { id: 'disk', type: 'filesystem', root },
            { id: 'lan', type: 'minio', endpoint, bucket: bucket.name, accessKey, secretKey },
          ],
        }),
      )
      const first = await runCli(['sync', 'disk:', 'lan:doc', '--json'], { cwd })
      expect(first.code, first.stderr).toBe(0)
      const { copied, failed } = JSON.parse(first.stdout).objects
      expect(failed).toBe(0)
      expect(copied).toBeGreaterThan(100)
      const verify = await runCli(['verify', 'disk:', 'lan:doc', '--json'], { cwd })
      expect(JSON.parse(verify.stdout)).toMatchObject({ identical: true, objects: { same: copied } })
      const again = await runCli(['sync', 'disk:', 'lan:doc', '--json'], { cwd })
      expect(JSON.parse(again.stdout)).toMatchObject({
        objects: { copied: 0, skipped: copied },
        bytes: { transferred: 0 },
      })
    },
    600_000,
  )
})
