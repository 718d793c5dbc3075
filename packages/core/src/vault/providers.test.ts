import { randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { tempDir, testKey } from '@stowage/test-support'
import { describe, expect, test } from 'vitest'
import type { StowageError } from '../errors/index.ts'
import { expectCode } from '../testing/index.ts'
import { envKey, fileKey, localMasterKey, openVault } from './index.ts'

const good = testKey('good')

async function versions(text: string): Promise<number[]> {
  return (await envKey('K', { K: text }).load()).map(({ version }) => version)
}

async function refused(text: string): Promise<StowageError> {
  const error = await expectCode(envKey('K', { K: text }).load(), 'configuration')
  expect(error.field).toBe('K')
  expect(error.hint).toContain('openssl rand -base64 32')
  expect(error.message).toContain('variable K')
  if (text.trim().length > 6) expect(inspect(error)).not.toContain(text.trim())
  return error
}

describe('keys as text', () => {
  test.each([
    ['base64', good.toString('base64')],
    ['base64 without padding', good.toString('base64').replace(/=+$/, '')],
    ['base64url', good.toString('base64url')],
    ['hexadecimal', good.toString('hex')],
    ['hexadecimal in capitals', good.toString('hex').toUpperCase()],
    ['with a line break at its end', `${good.toString('base64')}\n`],
    ['with a version', `1:${good.toString('base64')}`],
  ])('%s gives the same key', async (_, text) => {
    const sealed = await (await openVault({ catalogId: 'c', keys: [localMasterKey(1, good)] })).seal('s', { a: 'x' })
    const vault = await openVault({ catalogId: 'c', keys: [envKey('K', { K: text })] })
    expect((await vault.open('s', sealed))['a']?.reveal()).toBe('x')
  })

  test('several at once, by version', async () => {
    const [a, b] = [testKey('a').toString('base64'), testKey('b').toString('hex')]
    expect(await versions(`2:${a},1:${b}`)).toEqual([2, 1])
    expect(await versions(`# since May\nv12:${a}\n\n ${b} \n`)).toEqual([12, 1])
    expect((await refused(`1:${a},${b}`)).message).toContain('two master keys of version 1')
    await refused(`0:${a}`)
    await refused(`-1:${a}`)
  })

  test.each([
    ['all zeros', Buffer.alloc(32), /all zeros/],
    ['one byte', Buffer.alloc(32, 0x5a), /repeats one byte/],
    ['half a key twice', Buffer.concat([good.subarray(0, 16), good.subarray(0, 16)]), /repeats 16 bytes/],
    ['two bytes', Buffer.alloc(32, 'xy'), /repeats 2 bytes/],
    ['counting up', Buffer.from(Array.from({ length: 32 }, (_, i) => i)), /counts/],
    ['counting down in sevens', Buffer.from(Array.from({ length: 32 }, (_, i) => (255 - 7 * i) & 255)), /counts/],
    ['a passphrase', Buffer.from('correct horse battery staple 42!'), /written text/],
    [
      'few bytes',
      Buffer.from(Array.from({ length: 32 }, (_, i) => [1, 200, 3, 77, 9][(i * i) % 5] ?? 0)),
      /different bytes/,
    ],
    ['16 bytes', good.subarray(0, 16), /16 bytes long/],
    ['33 bytes', Buffer.concat([good, good.subarray(0, 1)]), /33 bytes long/],
  ])('%s is refused', async (_, key, why) => {
    expect((await refused(key.toString('base64'))).message).toMatch(why)
    expect(() => localMasterKey(1, key)).toThrow(why)
  })

  test.each(['hunter2-hunter2!', 'two words', good.toString('base64').slice(0, -3), 'ä'.repeat(32), ',', '1:'])(
    'text that is no key is refused: %#',
    async (text) => {
      await refused(text)
    },
  )

  test('random keys pass', async () => {
    for (let i = 0; i < 2_000; i++) localMasterKey(1, randomBytes(32))
  })

  test('a variable that is not set is named', async () => {
    expect((await expectCode(envKey('STOWAGE_MASTER_KEY', {}).load(), 'configuration')).message).toContain(
      'STOWAGE_MASTER_KEY',
    )
    await expectCode(envKey('K', { K: '' }).load(), 'configuration')
  })
})

describe('keys in a file', () => {
  function write(mode: number, text = good.toString('base64')): string {
    const path = join(tempDir('vault'), 'master.key')
    writeFileSync(path, text)
    chmodSync(path, mode)
    return path
  }

  test.each([0o600, 0o400, 0o440, 0o640])('mode %o is taken', async (mode) => {
    expect(await fileKey(write(mode)).load()).toHaveLength(1)
  })

  test.skipIf(process.platform === 'win32').each([0o644, 0o604, 0o602, 0o620, 0o666, 0o601])(
    'mode %o is refused',
    async (mode) => {
      const path = write(mode)
      const error = await expectCode(fileKey(path).load(), 'configuration')
      expect(error).toMatchObject({ field: path, hint: `Run: chmod 600 ${path}` })
    },
  )

  test('what is not there, or not a file, or too large, is refused', async () => {
    const folder = tempDir('vault')
    mkdirSync(join(folder, 'folder'))
    expect((await expectCode(fileKey(join(folder, 'none')).load(), 'configuration')).message).toContain('ENOENT')
    await expectCode(fileKey(join(folder, 'folder')).load(), 'configuration')
    await expectCode(fileKey('/dev/zero').load(), 'configuration')
    await expectCode(fileKey(write(0o600, '#'.repeat(70_000))).load(), 'configuration')
    await expectCode(fileKey(write(0o600, '')).load(), 'configuration')
  })

  test('a link is followed to the file whose rights count', async () => {
    const path = write(0o600)
    symlinkSync(path, `${path}.link`)
    expect(await fileKey(`${path}.link`).load()).toHaveLength(1)
  })
})
