import {
  type JudgedField,
  judgeEndpoint,
  type MasterKey,
  type MasterKeyProvider,
  type NetworkPolicy,
  openVault,
  type RewrapResult,
  rewrapAll,
  type Sealed,
  Secret,
  type SourceChanges,
  type SourceStore,
  type StoredSource,
  StowageError,
  type Vault,
} from '@stowage/core'
import type { SourceConfig } from '../config/index.ts'
import { type Credentials, configOf, secretFields, takeApart } from './stored-config.ts'

/** Changes of a source: what is given is set, `null` clears, the rest stays. */
export type SourceUpdate = { [K in Exclude<keyof SourceConfig, 'id' | 'type'>]?: SourceConfig[K] | null }

/** What sources in the catalog are kept with. */
export interface CatalogSourcesOptions {
  store: SourceStore
  catalogId: () => Promise<string>
  /** Empty where none was given: then credentials cannot be kept. */
  masterKeys: readonly (MasterKey | MasterKeyProvider)[]
  minimumVersion?: number
  /** Sources may be on this machine. */
  allowLoopback: boolean
  /** Told of the credentials that were opened, so that they can be kept out of what is printed. */
  onCredentials: (credentials: Credentials) => void
}

/** The sources that the catalog keeps: changed one by one, each change decided on a revision, credentials sealed by the vault. */
export class CatalogSources {
  readonly #options: CatalogSourcesOptions
  #vault: Promise<Vault> | undefined

  constructor(options: CatalogSourcesOptions) {
    this.#options = options
  }

  get store(): SourceStore {
    return this.#options.store
  }

  async add(config: SourceConfig): Promise<StoredSource> {
    const { source, credentials } = takeApart(config)
    this.judge(config)
    const sealed = credentials === undefined ? {} : { credentials: await this.#seal(config.id, credentials) }
    return this.store.add({ ...source, ...sealed })
  }

  /** @param revision what the change was decided on; by default what is there now */
  async update(id: string, update: SourceUpdate, revision?: string): Promise<StoredSource> {
    const before = await this.get(id)
    const keys = pick(update, secretFields)
    const old = configOf(before)
    const config = merged(old, update)
    const { source, credentials } = takeApart({ ...config, ...keys } as SourceConfig)
    this.judge(config)
    if (config.endpoint !== old.endpoint && before.hasCredentials && credentials === undefined && !clears(update)) {
      throw new StowageError('invalid-request', `${id}: another endpoint would be sent the keys of this one.`, {
        sourceId: id,
        field: 'accessKey',
        hint: 'Give the credentials for the new endpoint in the same change.',
      })
    }
    const changes: SourceChanges = {
      name: source.name ?? id,
      endpoint: source.endpoint ?? null,
      bucket: source.bucket ?? null,
      region: source.region ?? null,
      isPublic: source.isPublic ?? source.type === 'oss',
      priority: source.priority ?? 100,
      weight: source.weight ?? 1,
      enabled: source.enabled ?? true,
      options: source.options ?? {},
      ...(credentials === undefined ? {} : { credentials: await this.#seal(id, credentials) }),
      ...(clears(update) ? { credentials: null } : {}),
    }
    return this.store.update(id, changes, revision ?? before.revision)
  }

  /** Keeps credentials beside those in use, until `promote`; `null` forgets them. */
  async stage(id: string, credentials: Credentials | null): Promise<StoredSource> {
    const { revision } = await this.get(id)
    const nextCredentials = credentials === null ? null : await this.#seal(id, credentials)
    return this.store.update(id, { nextCredentials }, revision)
  }

  async promote(id: string): Promise<StoredSource> {
    const { revision } = await this.get(id)
    return this.store.promoteCredentials(id, revision)
  }

  /** Wraps all data keys by the newest master key. */
  async rewrap(signal?: AbortSignal): Promise<RewrapResult> {
    return rewrapAll(this.store, await this.#openVault('vault'), signal === undefined ? {} : { signal })
  }

  /** @throws StowageError `not-found` */
  async get(id: string): Promise<StoredSource> {
    const found = await this.store.get(id)
    if (found !== undefined) return found
    throw new StowageError('not-found', `There is no source "${id}" in the catalog.`, {
      sourceId: id,
      hint: 'stowage source list shows them.',
    })
  }

  /** The configuration with its keys, to make an adapter of. @param slot which of its credentials */
  async open(config: SourceConfig, slot: 'current' | 'next' = 'current'): Promise<SourceConfig> {
    this.judge(config)
    const sealed = (await this.store.getCredentials(config.id))?.[slot]
    if (sealed === undefined) return config
    const vault = await this.#openVault(`source "${config.id}"`)
    const keys: Credentials = {}
    for (const [field, secret] of Object.entries(await vault.open(config.id, sealed))) {
      keys[field as keyof Credentials] = secret.reveal()
    }
    this.#options.onCredentials(keys)
    return { ...config, ...keys }
  }

  /** Judges where a source would lead, as far as that can be said without asking anybody. @throws StowageError `configuration` */
  judge(config: SourceConfig): void {
    if (config.endpoint === undefined) return
    const plain = config.allowPlainHttp === undefined ? {} : { allowPlainHttp: config.allowPlainHttp }
    const policy = { ...this.network(config), ...plain }
    const about: JudgedField = { field: 'endpoint', sourceId: config.id }
    judgeEndpoint(config.endpoint, policy, about)
  }

  /** What a source may reach: what its names resolve to is judged at every connection. */
  network({ allowPrivateNetwork }: SourceConfig): NetworkPolicy {
    return { allowLoopback: this.#options.allowLoopback, allowPrivateNetwork: allowPrivateNetwork === true }
  }

  async #seal(id: string, credentials: Credentials): Promise<Sealed> {
    const given = Object.entries(credentials).filter(([, value]) => value !== undefined) as [string, string][]
    this.#options.onCredentials(credentials)
    const vault = await this.#openVault(`source "${id}"`)
    return vault.seal(id, Object.fromEntries(given.map(([field, value]) => [field, new Secret(value)])))
  }

  async #openVault(forWhat: string): Promise<Vault> {
    const { masterKeys, minimumVersion, catalogId } = this.#options
    if (masterKeys.length === 0) {
      throw new StowageError(
        'configuration',
        `The credentials of ${forWhat} need a master key, and none is configured.`,
        {
          field: 'vault',
          hint: 'Make one with "openssl rand -base64 32" and give it as vault.key, vault.keyFile or STOWAGE_MASTER_KEY.',
        },
      )
    }
    const open = async (): Promise<Vault> =>
      openVault({
        catalogId: await catalogId(),
        keys: masterKeys,
        ...(minimumVersion === undefined ? {} : { minimumVersion }),
      })
    this.#vault ??= open()
    try {
      return await this.#vault
    } catch (error) {
      // A key that is not there now may be there later.
      this.#vault = undefined
      throw error
    }
  }
}

function merged(config: SourceConfig, update: SourceUpdate): SourceConfig {
  const result: Record<string, unknown> = { ...config }
  for (const [field, value] of Object.entries(update)) {
    if (value === undefined || (secretFields as readonly string[]).includes(field)) continue
    if (value === null) delete result[field]
    else result[field] = value
  }
  return result as unknown as SourceConfig
}

/** True when the update takes the credentials away. */
function clears(update: SourceUpdate): boolean {
  return update.accessKey === null || update.secretKey === null
}

function pick(update: SourceUpdate, fields: readonly (keyof Credentials)[]): Credentials {
  return Object.fromEntries(
    fields.flatMap((field) => (typeof update[field] === 'string' ? [[field, update[field]]] : [])),
  )
}
