import { mkdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { tempDir } from '../tmp.ts'
import { isBuilt } from './built.ts'

const built = new Date('2026-01-02')

/** Two packages that were built after they were written. */
function packages(): string {
  const folder = tempDir('packages')
  for (const name of ['a', 'b']) {
    for (const part of ['src/deep', 'dist/deep']) mkdirSync(join(folder, name, part), { recursive: true })
    for (const file of ['package.json', 'src/deep/one.ts', 'src/deep/one.test.ts', 'src/two.ts', 'dist/deep/one.js'])
      writeFileSync(join(folder, name, file), '')
    for (const path of ['package.json', 'src/deep/one.ts', 'src/two.ts', 'src/deep', 'src'])
      utimesSync(join(folder, name, path), built, new Date('2026-01-01'))
    utimesSync(join(folder, name, 'dist/deep/one.js'), built, built)
  }
  return folder
}

it('knows packages that are as they were built', () => {
  expect(isBuilt(packages())).toBe(true)
})

it.each([
  ['a source is changed', (folder: string) => writeFileSync(join(folder, 'b/src/deep/one.ts'), 'x')],
  ['one is new', (folder: string) => writeFileSync(join(folder, 'a/src/three.ts'), '')],
  ['what a package offers is changed', (folder: string) => writeFileSync(join(folder, 'b/package.json'), 'x')],
  ['one of them was never built', (folder: string) => rmSync(join(folder, 'b/dist'), { recursive: true })],
  ['nothing is left of it', (folder: string) => rmSync(join(folder, 'b/dist/deep/one.js'))],
])('and when %s', (_, change) => {
  const folder = packages()
  change(folder)
  expect(isBuilt(folder)).toBe(false)
})

it('does not mind tests', () => {
  const folder = packages()
  writeFileSync(join(folder, 'a/src/deep/one.test.ts'), 'x')
  expect(isBuilt(folder)).toBe(true)
})
