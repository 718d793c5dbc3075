import { describe, expect, it } from 'vitest'
import { PathGuard } from './path-guard.ts'

function problems(...paths: string[]): (string | undefined)[] {
  const guard = new PathGuard()
  return paths.map((path) => guard.problem(path))
}

function collisions(...paths: string[]): (string | undefined)[] {
  const guard = new PathGuard()
  return paths.map((path) => guard.collision(path))
}

describe('PathGuard', () => {
  it('finds a file that is also a folder, also with names between them', () => {
    expect(problems('a', 'a-b', 'a.txt', 'a/b')).toEqual([
      undefined,
      undefined,
      undefined,
      'lies below "a", which is a file',
    ])
    expect(problems('a', 'ab/c', 'b/a')).toEqual([undefined, undefined, undefined])
    expect(problems('x/a', 'x/a-', 'x/a/1', 'x/a/2')[3]).toBe('lies below "x/a", which is a file')
  })

  it('refuses what some store cannot hold', () => {
    for (const path of ['/a', 'a//b', 'a/', './a', 'a/../b', 'a\nb', 'x'.repeat(256), '\ud800']) {
      expect(problems(path)[0], JSON.stringify(path)).toBeDefined()
    }
    expect(problems('a b/c+d%25/\u{1f600}.jpg')).toEqual([undefined])
  })

  it('names what collides when case or composition is ignored', () => {
    expect(collisions('A.txt', 'B.txt', 'a.txt')).toEqual([undefined, undefined, 'A.txt'])
    expect(collisions('Dir/x', 'dir/y')).toEqual([undefined, 'Dir'])
    expect(collisions('p/A', 'q/a', 'r/A')).toEqual([undefined, undefined, undefined])
    expect(collisions('caf\u00e9', 'cafe\u0301')[1]).toBe('caf\u00e9')
  })
})
