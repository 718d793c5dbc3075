import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import { runs, testKey, testSecret } from '@stowage/test-support'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { StowageError } from '../errors/index.ts'
import { expectCode } from '../testing/index.ts'
import { checkSealed, localMasterKey, type MasterKey, openVault, type Sealed, Secret, type Vault } from './index.ts'

const keys = [1, 2, 3].map((version) => localMasterKey(version, testKey(`vault ${version}`)))

function vaultOf(...options: [{ catalogId?: string; keys?: MasterKey[]; minimumVersion?: number }?]): Promise<Vault> {
  return openVault({ catalogId: 'c1', keys: keys.slice(0, 1), ...options[0] })
}

const plain = { accessKey: 'AKIAEXAMPLE', secretKey: testSecret('hunter2') }

async function reveal(vault: Vault, sourceId: string, sealed: Sealed): Promise<Record<string, string>> {
  const opened = await vault.open(sourceId, sealed)
  return Object.fromEntries(Object.entries(opened).map(([name, secret]) => [name, secret.reveal()]))
}

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = Uint8Array.from(bytes)
  copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7))
  return copy
}

/** Fails as it should, and tells neither the value nor the key. */
async function refuses(promise: Promise<unknown>, field: string, sourceId = 'lan'): Promise<StowageError> {
  const error = await expectCode(promise, 'integrity')
  expect(error).toMatchObject({ sourceId, field, retryable: false })
  expect(error.message).toContain(`"${sourceId}"`)
  expect(error.message).toContain(field)
  expect(inspect(error, { depth: null })).not.toMatch(/hunter2|AKIA/)
  return error
}

describe('sealing', () => {
  test('comes back as it went in, whatever it is', async () => {
    const vault = await vaultOf()
    const text = fc.string({ unit: 'binary', maxLength: 200 }).filter((value) => value.isWellFormed())
    await fc.assert(
      fc.asyncProperty(
        text,
        fc.dictionary(fc.string({ minLength: 1 }), text, { maxKeys: 4, noNullPrototype: true }),
        async (id, fields) => {
          const sealed = await vault.seal(id, fields)
          checkSealed(sealed)
          expect(await reveal(vault, id, sealed)).toEqual(fields)
        },
      ),
      { numRuns: runs(100, 3_000) },
    )
  })

  test('takes Secrets, gives Secrets, and shows nothing', async () => {
    const vault = await vaultOf()
    const sealed = await vault.seal('lan', { secretKey: new Secret(plain.secretKey) })
    const opened = await vault.open('lan', sealed)
    expect(opened['secretKey']).toBeInstanceOf(Secret)
    expect(inspect({ vault, opened, sealed }, { depth: null, showHidden: true })).not.toContain('hunter2')
    expect(Buffer.from(sealed.fields['secretKey'] ?? []).includes('hunter2')).toBe(false)
  })

  test('never gives the same bytes twice: no key, no nonce, no ciphertext', async () => {
    const vault = await vaultOf()
    const seen = new Set<string>()
    for (let i = 0; i < runs(200, 5_000); i++) {
      const { dataKey, fields } = await vault.seal('lan', { a: 'same', b: 'same' })
      // Behind the header and the check value: the nonces; behind the nonces: what was encrypted.
      const parts = [dataKey.slice(15, 27), dataKey.slice(27)]
      for (const bytes of Object.values(fields)) parts.push(bytes.slice(1, 13), bytes.slice(13))
      for (const part of parts) {
        const hex = Buffer.from(part).toString('hex')
        expect(seen.has(hex)).toBe(false)
        seen.add(hex)
      }
    }
  })

  test('refuses text that would come back as another one', async () => {
    const error = await expectCode(
      (await vaultOf()).seal('lan', { secretKey: `${testSecret('hunter2')}\ud800` }),
      'invalid-request',
    )
    expect(error.field).toBe('secretKey')
    expect(error.message).not.toContain('hunter2')
  })

  test('checkSealed refuses plain text in the place of ciphertext', async () => {
    const sealed = await (await vaultOf()).seal('lan', plain)
    const text = Buffer.from('a secret access key, forty characters long')
    for (const wrong of [
      { ...sealed, dataKey: text },
      { ...sealed, fields: { ...sealed.fields, secretKey: text } },
      { ...sealed, fields: { secretKey: new Uint8Array() } },
    ]) {
      expect(() => checkSealed(wrong)).toThrow(/sealed by a vault/)
    }
  })
})

describe('opening', () => {
  test('every flipped bit is noticed', async () => {
    const vault = await vaultOf()
    const sealed = await vault.seal('lan', { secretKey: testSecret('hunter2') })
    const field = sealed.fields['secretKey'] ?? new Uint8Array()
    for (let bit = 0; bit < field.length * 8; bit++) {
      const open = vault.open('lan', { ...sealed, fields: { secretKey: flipped(field, bit) } })
      if (bit < 8) await expectCode(open, 'integrity', 'newer-format')
      else await refuses(open, 'secretKey')
    }
    for (let bit = 0; bit < sealed.dataKey.length * 8; bit++) {
      const open = vault.open('lan', { ...sealed, dataKey: flipped(sealed.dataKey, bit) })
      // The format, then the schema, then the version of the master key, then what it wrapped.
      if (bit < 8) await expectCode(open, 'integrity', 'newer-format')
      else if (bit >= 24 && bit < 56) await expectCode(open, 'configuration')
      else await refuses(open, 'dataKey')
    }
  })

  test('every length but the right one is noticed', async () => {
    const vault = await vaultOf()
    const sealed = await vault.seal('lan', { secretKey: testSecret('hunter2') })
    const field = sealed.fields['secretKey'] ?? new Uint8Array()
    for (let length = 0; length < field.length; length++) {
      await refuses(vault.open('lan', { ...sealed, fields: { secretKey: field.slice(0, length) } }), 'secretKey')
    }
    for (let length = 0; length < sealed.dataKey.length; length++) {
      await refuses(vault.open('lan', { ...sealed, dataKey: sealed.dataKey.slice(0, length) }), 'dataKey')
    }
    const longer = Uint8Array.from([...field, 0])
    await refuses(vault.open('lan', { ...sealed, fields: { secretKey: longer } }), 'secretKey')
  })

  test('what was moved to another field, record, source or catalog does not open', async () => {
    const vault = await vaultOf()
    const a = await vault.seal('lan', plain)
    const b = await vault.seal('lan', plain)
    const { accessKey = new Uint8Array(), secretKey = new Uint8Array() } = a.fields
    await refuses(vault.open('lan', { ...a, fields: { accessKey: secretKey, secretKey: accessKey } }), 'accessKey')
    await refuses(vault.open('lan', { ...a, fields: { sessionToken: secretKey } }), 'sessionToken')
    await refuses(vault.open('lan', { ...a, fields: b.fields }), 'accessKey')
    await refuses(vault.open('lan', { ...a, dataKey: b.dataKey }), 'accessKey')
    await refuses(vault.open('oss', a), 'dataKey', 'oss')
    await refuses((await vaultOf({ catalogId: 'c2' })).open('lan', a), 'dataKey')
  })

  test('another master key of the same version is told from damage', async () => {
    const sealed = await (await vaultOf()).seal('lan', plain)
    const other = await vaultOf({ keys: [localMasterKey(1, testKey('another'))] })
    const error = await refuses(other.open('lan', sealed), 'dataKey')
    expect(error.message).toContain('another master key of version 1')
    expect(error.hint).toContain('master key')
  })

  test('a newer format is refused as such', async () => {
    const vault = await vaultOf()
    const sealed = await vault.seal('lan', plain)
    const newer = Uint8Array.from(sealed.dataKey)
    newer[0] = 2
    const error = await expectCode(vault.open('lan', { ...sealed, dataKey: newer }), 'newer-format')
    expect(error).toMatchObject({ sourceId: 'lan', field: 'dataKey' })
    expect(error.hint).toMatch(/upgrade/i)
  })
})

describe('master keys', () => {
  test('the newest seals, all open, and one that is missing is named', async () => {
    const old = await (await vaultOf()).seal('lan', plain)
    const both = await vaultOf({ keys: [keys[1], keys[0]] as MasterKey[] })
    expect(both.newestVersion).toBe(2)
    expect(await reveal(both, 'lan', old)).toEqual(plain)
    const newer = await both.seal('lan', plain)
    const error = await expectCode((await vaultOf()).open('lan', newer), 'configuration')
    expect(error).toMatchObject({ field: 'vault.keys', sourceId: 'lan' })
    expect(error.message).toMatch(/version 2.*knows 1/)
  })

  test('below the minimum nothing opens, also with the key at hand', async () => {
    const old = await (await vaultOf()).seal('lan', plain)
    const strict = await vaultOf({ keys, minimumVersion: 2 })
    expect((await expectCode(strict.open('lan', old), 'configuration')).field).toBe('vault.minimumVersion')
    await expectCode(strict.rewrap('lan', old.dataKey), 'configuration')
    expect(await reveal(strict, 'lan', await strict.seal('lan', plain))).toEqual(plain)
    await expectCode(vaultOf({ minimumVersion: 2 }), 'configuration')
  })

  test('re-wrapping changes the data key’s wrap alone, once', async () => {
    const sealed = await (await vaultOf()).seal('lan', plain)
    const both = await vaultOf({ keys: keys.slice(0, 2) })
    const dataKey = (await both.rewrap('lan', sealed.dataKey)) ?? expect.fail('it was not wrapped anew')
    const newest = await vaultOf({ keys: keys.slice(1, 2) })
    expect(await reveal(newest, 'lan', { ...sealed, dataKey })).toEqual(plain)
    expect(await newest.rewrap('lan', dataKey)).toBeUndefined()
    await refuses(both.rewrap('oss', sealed.dataKey), 'dataKey', 'oss')
  })

  test('none, two of one version, and versions that are none are refused', async () => {
    await expectCode(vaultOf({ keys: [] }), 'configuration')
    await expectCode(vaultOf({ keys: [keys[0], keys[0]] as MasterKey[] }), 'configuration')
    for (const version of [0, -1, 1.5, Number.NaN, 2 ** 32]) {
      await expectCode(vaultOf({ keys: [{ ...(keys[0] as MasterKey), version }] }), 'configuration')
    }
  })
})

describe('a key service', () => {
  /** Keeps what it was given to wrap, as a service that is far away. */
  function service(version: number): MasterKey & { fail?: unknown; contexts: unknown[] } {
    const held = new Map<string, string>()
    const id = (bytes: Uint8Array, context: unknown): string =>
      `${Buffer.from(bytes).toString('hex')} ${JSON.stringify(context)}`
    const self: MasterKey & { fail?: unknown; contexts: unknown[] } = {
      version,
      contexts: [],
      async wrap(dataKey, context) {
        if (self.fail !== undefined) throw self.fail
        self.contexts.push(context)
        const wrapped = randomBytes(20)
        held.set(id(wrapped, context), Buffer.from(dataKey).toString('hex'))
        return wrapped
      },
      async unwrap(wrapped, context) {
        if (self.fail !== undefined) throw self.fail
        const dataKey = held.get(id(wrapped, context))
        if (dataKey === undefined) throw new StowageError('integrity', 'The service did not know it.')
        return Buffer.from(dataKey, 'hex')
      },
    }
    return self
  }

  test('wraps and unwraps under a context', async () => {
    const kms = service(7)
    const vault = await vaultOf({ keys: [kms] })
    const sealed = await vault.seal('lan', plain)
    expect(await reveal(vault, 'lan', sealed)).toEqual(plain)
    expect(kms.contexts).toEqual([{ catalogId: 'c1', sourceId: 'lan', schema: 1, keyVersion: 7 }])
    await refuses(vault.open('oss', sealed), 'dataKey', 'oss')
  })

  test('that fails is unavailable, and may be asked again', async () => {
    const kms = service(1)
    const vault = await vaultOf({ keys: [kms] })
    const sealed = await vault.seal('lan', plain)
    kms.fail = new Error('ECONNRESET')
    expect(await expectCode(vault.open('lan', sealed), 'unavailable')).toMatchObject({
      retryable: true,
      sourceId: 'lan',
    })
    await expectCode(vault.seal('lan', plain), 'unavailable')
    kms.fail = new StowageError('access-denied', 'The role may not use the key.')
    await expectCode(vault.open('lan', sealed), 'access-denied')
    delete kms.fail
    expect(await reveal(vault, 'lan', sealed)).toEqual(plain)
  })

  test('is not asked once the signal has fired', async () => {
    const kms = service(1)
    const vault = await vaultOf({ keys: [kms] })
    await expectCode(vault.seal('lan', plain, { signal: AbortSignal.abort() }), 'aborted')
    expect(kms.contexts).toEqual([])
  })

  test('that answers something else is not trusted', async () => {
    const kms = { ...service(1), unwrap: async () => randomBytes(16) }
    const vault = await vaultOf({ keys: [kms] })
    await refuses(vault.open('lan', await vault.seal('lan', plain)), 'dataKey')
  })
})
