import { readdirSync, statSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { tempDir, until } from '@stowage/test-support'
import { expect, test } from 'vitest'
import { fakeOwner } from '../testing/index.ts'
import { FileLock } from './file-lock.ts'

test('a lock that was waited for does not look abandoned from the start, so that a third would take it, too', async () => {
  const folder = tempDir('lock')
  const path = join(folder, '0')
  const lock = (pid: number) =>
    new FileLock(
      path,
      fakeOwner(pid, () => true),
    )
  const long = new Date(Date.now() - 120_000)
  const { promise: stopped, resolve: goOn } = Promise.withResolvers<void>()
  const { promise: held, resolve: holds } = Promise.withResolvers<void>()
  const first = lock(1).run(async () => {
    holds()
    await stopped
  })
  await held
  let age = Number.NaN
  const second = lock(2).run(async () => {
    age = Date.now() - statSync(path).mtimeMs
  })
  // The second waits for long, and the first, which was stopped, is given up.
  await until('the second waits', () => readdirSync(folder).length >= 2, {
    everyMs: 1,
    seen: () => readdirSync(folder),
  })
  const waiting = readdirSync(folder).filter((name) => name !== '0')
  const ageOf = (name: string) => Date.now() - statSync(join(folder, name)).mtimeMs
  for (const name of waiting) utimesSync(join(folder, name), long, long)
  // By the time that the lock is given up, it has said again that it is there.
  await until('the second is fresh again', () => waiting.every((name) => ageOf(name) < 60_000), { everyMs: 1 })
  utimesSync(path, long, long)
  await second
  expect(age).toBeLessThan(60_000)
  goOn()
  await first
})
