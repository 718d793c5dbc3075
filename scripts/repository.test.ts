import { expect, it } from 'vitest'
import { checkRepository, lockfileProblems, machinePaths } from './repository.ts'

it('lets the lockfile name the public registry alone', () => {
  const packages = {
    '': {},
    'node_modules/a': { resolved: 'https://registry.npmjs.org/a/-/a-1.0.0.tgz' },
    'node_modules/b': { resolved: 'https://mirror.example/b/-/b-1.0.0.tgz' },
    'node_modules/c': { resolved: 'packages/c', link: true },
    'node_modules/d': { resolved: 'git+ssh://git@example.com/d.git' },
  }
  expect(lockfileProblems(JSON.stringify({ packages }))).toEqual([
    'package-lock.json: node_modules/b comes from https://mirror.example/b/-/b-1.0.0.tgz',
    'package-lock.json: node_modules/d comes from git+ssh://git@example.com/d.git',
  ])
})

it('finds paths of a machine, and no others', () => {
  const own = ['root', 'home'].map((folder) => `see /${folder}/ada/notes`)
  expect(machinePaths('a.md', ['nothing', ...own].join('\n'))).toEqual([`a.md:2: ${own[0]}`, `a.md:3: ${own[1]}`])
  expect(machinePaths('a.md', 'https://a.example/home/x, ./work/x, packages/root/x, ~/work/x')).toEqual([])
})

it('finds nothing wrong with this repository', () => {
  expect(checkRepository()).toEqual([])
})
