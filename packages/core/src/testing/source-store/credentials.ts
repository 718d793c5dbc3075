import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { expectCode } from '../expect-code.ts'
import { lan, masterKeys, SECRET, sealedBy, secretOf, vaultOf } from './fixtures.ts'
import type { Fresh } from './under-test.ts'

export function credentialTests(fresh: Fresh): void {
  describe('credentials', () => {
    test('come back as they were sealed, and are in nothing else', async () => {
      const { store } = await fresh()
      const vault = await vaultOf(masterKeys(1))
      const fields = { accessKey: 'AK', secretKey: SECRET, sessionToken: 'x'.repeat(2000) }
      const credentials = await vault.seal('lan', fields)
      const made = await store.add({ ...lan, credentials })
      expect(made).toMatchObject({ hasCredentials: true, hasNextCredentials: false })
      const { current, next } = (await store.getCredentials('lan')) ?? {}
      expect(next).toBeUndefined()
      if (current === undefined) expect.fail('there are none')
      const opened = await vault.open('lan', current)
      for (const [name, value] of Object.entries(fields)) expect(opened[name]?.reveal()).toBe(value)
      const { revision } = made
      const shown = [
        made,
        await store.get('lan'),
        await store.list(),
        await store.changes(),
        await store.update('lan', {}, revision),
      ]
      const hex = Buffer.from(credentials.fields['secretKey'] ?? []).toString('hex')
      for (const one of shown) {
        expect(inspect(one, { depth: null })).not.toContain(SECRET)
        expect(inspect(one, { depth: null })).not.toMatch(/dataKey|secretKey/)
        expect(JSON.stringify(one)).not.toContain(hex)
      }
      expect(inspect(current)).not.toContain(SECRET)
    })

    test('are absent where none were given', async () => {
      const { store } = await fresh()
      await store.add(lan)
      expect(await store.getCredentials('lan')).toEqual({})
      expect(await store.getCredentials('oss')).toBeUndefined()
    })

    test('are replaced and cleared by revision, all fields at once', async () => {
      const { store } = await fresh()
      const vault = await vaultOf(masterKeys(1))
      const full = await vault.seal('lan', { accessKey: 'AK', secretKey: 'one', sessionToken: 'token' })
      const made = await store.add({ ...lan, credentials: full })
      const two = await store.update(
        'lan',
        { endpoint: 'https://other.lan', credentials: await sealedBy(vault, 'lan', 'two') },
        made.revision,
      )
      const { current } = (await store.getCredentials('lan')) ?? {}
      expect(Object.keys(current?.fields ?? {}).sort()).toEqual(['accessKey', 'secretKey'])
      expect(await secretOf(vault, 'lan', current)).toBe('two')
      await expectCode(store.update('lan', { credentials: null }, made.revision), 'conflict')
      expect(await store.get('lan')).toEqual(two)
      expect(await store.update('lan', { credentials: null }, two.revision)).toMatchObject({ hasCredentials: false })
      expect(await store.getCredentials('lan')).toEqual({})
    })

    test('rotate: the next stand beside the current until they are promoted', async () => {
      const { store } = await fresh()
      const vault = await vaultOf(masterKeys(1))
      const secrets = async (): Promise<(string | undefined)[]> => {
        const { current, next } = (await store.getCredentials('lan')) ?? {}
        return [await secretOf(vault, 'lan', current), await secretOf(vault, 'lan', next)]
      }
      const one = await store.add({ ...lan, credentials: await sealedBy(vault, 'lan', 'one') })
      await expectCode(store.promoteCredentials('lan', one.revision), 'invalid-request')
      const two = await store.update('lan', { nextCredentials: await sealedBy(vault, 'lan', 'two') }, one.revision)
      expect(two).toMatchObject({ hasCredentials: true, hasNextCredentials: true })
      expect(await secrets()).toEqual(['one', 'two'])
      await expectCode(store.promoteCredentials('lan', one.revision), 'conflict')
      expect(await secrets()).toEqual(['one', 'two'])
      const done = await store.promoteCredentials('lan', two.revision)
      expect(done).toMatchObject({ hasCredentials: true, hasNextCredentials: false })
      expect(await secrets()).toEqual(['two', undefined])
      await expectCode(store.promoteCredentials('lan', done.revision), 'invalid-request')
      await expectCode(store.promoteCredentials('oss', done.revision), 'not-found')
      const three = await store.update('lan', { nextCredentials: await sealedBy(vault, 'lan', 'three') }, done.revision)
      await store.update('lan', { nextCredentials: null }, three.revision)
      expect(await secrets()).toEqual(['two', undefined])
    })

    test('the next may be promoted where there were none', async () => {
      const { store } = await fresh()
      const vault = await vaultOf(masterKeys(1))
      const made = await store.add(lan)
      const next = await store.update('lan', { nextCredentials: await sealedBy(vault, 'lan', 'one') }, made.revision)
      expect(next).toMatchObject({ hasCredentials: false, hasNextCredentials: true })
      expect(await store.promoteCredentials('lan', next.revision)).toMatchObject({
        hasCredentials: true,
        hasNextCredentials: false,
      })
    })
  })
}
