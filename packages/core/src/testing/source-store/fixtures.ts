import { randomBytes } from 'node:crypto'
import type { NewSource } from '../../ports/index.ts'
import { localMasterKey, type MasterKey, openVault, type Sealed, type Vault } from '../../vault/index.ts'
import { markedSecret } from '../marked-secret.ts'

/** What must not be found in anything that a store gives out. */
export const SECRET: string = markedSecret('hunter2-hunter2')

/** A source with everything that can be given, but credentials. */
export const lan: NewSource = {
  id: 'lan',
  type: 'minio',
  name: 'The rack, 猫',
  endpoint: 'https://minio.lan:9000',
  bucket: 'train',
  region: 'cn-sz',
  isPublic: false,
  priority: -5,
  weight: 0.1,
  enabled: true,
  options: { pathStyle: true, tls: { ca: '/etc/ca.pem' }, list: [1, 'two', null, [1.5]], 猫: '"quoted"\n\u0000' },
}

/** Master keys of the versions 1 to `count`. */
export function masterKeys(count: number): MasterKey[] {
  return Array.from({ length: count }, (_, i) => localMasterKey(i + 1, randomBytes(32)))
}

export function vaultOf(keys: readonly MasterKey[]): Promise<Vault> {
  return openVault({ catalogId: 'catalog', keys })
}

/** Credentials of a source; `name` tells them apart. */
export function sealedBy(vault: Vault, sourceId: string, name: string): Promise<Sealed> {
  return vault.seal(sourceId, { accessKey: `AK ${name}`, secretKey: `${SECRET} ${name}` })
}

/** The secret key in sealed credentials. */
export async function secretOf(
  vault: Vault,
  sourceId: string,
  sealed: Sealed | undefined,
): Promise<string | undefined> {
  if (sealed === undefined) return undefined
  return (await vault.open(sourceId, sealed))['secretKey']?.reveal().replace(`${SECRET} `, '')
}
