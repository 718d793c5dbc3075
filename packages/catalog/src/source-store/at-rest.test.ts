import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { localMasterKey, openVault } from '@stowage/core'
import { expectCode } from '@stowage/core/testing'
import { tempDir, testKey, testSecret } from '@stowage/test-support'
import { expect, onTestFinished, test } from 'vitest'
import { openCatalog } from '../open.ts'

const keys = [localMasterKey(1, testKey('at rest'))]
const plain = {
  accessKey: 'AKIA-in-plain',
  secretKey: testSecret('key-in-plain'),
  sessionToken: testSecret('token-in-plain'),
}

test('no file of the catalog ever holds a credential', async () => {
  const folder = tempDir('catalog')
  const catalog = await openCatalog({ type: 'sqlite', path: join(folder, 'catalog.db') })
  onTestFinished(() => catalog.close())
  const vault = await openVault({ catalogId: await catalog.datasets.catalogId(), keys })
  const made = await catalog.sources.add({ id: 'lan', type: 'minio', credentials: await vault.seal('lan', plain) })
  const next = await catalog.sources.update('lan', { nextCredentials: await vault.seal('lan', plain) }, made.revision)
  await catalog.sources.promoteCredentials('lan', next.revision)
  const look = (): void => {
    const files = readdirSync(folder)
    expect(files).toContain('catalog.db')
    for (const file of files) expect(readFileSync(join(folder, file)).includes('in-plain'), file).toBe(false)
  }
  // The write-ahead log, and the database after it was folded in.
  look()
  await catalog.close()
  look()
})

test('rows and columns that were swapped in the database do not open, and the error says where', async () => {
  const path = join(tempDir('catalog'), 'catalog.db')
  const catalog = await openCatalog({ type: 'sqlite', path })
  onTestFinished(() => catalog.close())
  const vault = await openVault({ catalogId: await catalog.datasets.catalogId(), keys })
  for (const id of ['a', 'b']) {
    await catalog.sources.add({ id, type: 'minio', credentials: await vault.seal(id, plain) })
  }
  const edit = (sql: string): void => {
    const database = new DatabaseSync(path)
    database.exec(sql)
    database.close()
  }
  const open = async (id: string): Promise<unknown> =>
    vault.open(id, (await catalog.sources.getCredentials(id))?.current ?? expect.fail('there are none'))
  await open('a')
  edit(
    "update source_credentials set access_key = secret_key, secret_key = access_key where source_id = cast('a' as blob)",
  )
  expect(await expectCode(open('a'), 'integrity')).toMatchObject({
    sourceId: 'a',
    field: 'accessKey',
    retryable: false,
  })
  edit(`update source_credentials set (data_key, access_key, secret_key, session_token) =
    (select data_key, access_key, secret_key, session_token from source_credentials where source_id = cast('b' as blob))
    where source_id = cast('a' as blob)`)
  expect(await expectCode(open('a'), 'integrity')).toMatchObject({ sourceId: 'a', field: 'dataKey' })
  await open('b')
})
