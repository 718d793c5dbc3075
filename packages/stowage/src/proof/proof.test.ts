import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'

const root = join(import.meta.dirname, '../../../..')

it('docs/proof.md names the tests that there are', () => {
  const text = readFileSync(join(root, 'docs/proof.md'), 'utf8')
  const named = new Set(
    [...text.matchAll(/`(?:packages\/\S+?\/)?((?:proof|run|reconcile|cli|app)\/[\w-]+\.test\.ts)`/g)].map(
      ([, path]) => path,
    ),
  )
  const there = globSync('packages/*/src/{proof,run,reconcile,cli,app}/*.test.ts', { cwd: root })
  const short = there.map((path) => path.split('/').slice(-2).join('/'))
  expect(short).toEqual(expect.arrayContaining([...named]))
  const proofs = short.filter((path) => path.startsWith('proof/') && path !== 'proof/proof.test.ts')
  expect([...named]).toEqual(expect.arrayContaining(proofs))
})
