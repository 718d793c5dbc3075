import { type Catalog, type OpenCatalog, openCatalog } from '@stowage/catalog'
import {
  type Clock,
  type Events,
  envKey,
  fileKey,
  type MasterKey,
  type MasterKeyProvider,
  type Random,
  type StorageAdapter,
  systemClock,
  systemRandom,
  textKey,
} from '@stowage/core'
import { createSync, type TaskService } from '@stowage/sync'
import { Caches, CopyOnce, EnsureReplica, ReplicaReads } from '../cache/index.ts'
import {
  checkPolicies,
  KnownSecrets,
  parseConfig,
  type StowageConfig,
  type StowageConfigInput,
} from '../config/index.ts'
import { Manifests, Setbacks } from '../datasets/index.ts'
import { healthSettings, ProbeLease, Prober } from '../health/index.ts'
import { Replications } from '../policies/index.ts'
import { openRouting } from '../routing/index.ts'
import { settingsOf } from '../scrub/index.ts'
import { CatalogSources, Sources } from '../sources/index.ts'
import { CleanEvents } from './clean-events.ts'
import type { Context } from './context.ts'
import { periodicJobs } from './jobs.ts'
import { openPolicies } from './open-policies.ts'
import { openQueue } from './queue.ts'
import { openQueueBoard } from './queue-board.ts'
import { Readiness } from './readiness.ts'
import { SilentCatalog } from './silent-catalog.ts'
import { Stowage } from './stowage.ts'

export interface StowageOptions {
  /**
   * In the background of this process, policies on `publish` run as soon as something is published, and sources are probed that are ill or that
   * nothing was heard of (`routing.health`). @defaultValue true
   */
  background?: boolean
  /** Ready-made adapters by source id, for storage systems of your own. */
  adapters?: Record<string, StorageAdapter>
  /** A catalog that is open already, in place of the one that the configuration names. It stays open. */
  catalog?: Catalog & Partial<Pick<OpenCatalog, 'sources'>>
  /** Master keys in place of those that the configuration names: a key service, say. */
  masterKeys?: readonly (MasterKey | MasterKeyProvider)[]
  /** Where `{ env }` values come from. @defaultValue process.env */
  env?: Record<string, string | undefined>
  clock?: Clock
  random?: Random
}

/**
 * Opens Stowage: checks the configuration, opens the catalog, compiles the routing rules. No store is contacted before it is used.
 *
 * @throws StowageError `configuration` for a wrong configuration, `newer-format` for a catalog of a newer version
 * @example
 * ```ts
 * const stowage = await createStowage({
 *   sources: [
 *     { id: 'oss-public', type: 'filesystem', root: './public', isPublic: true },
 *     { id: 'minio-inside', type: 'filesystem', root: './inside' },
 *   ],
 *   policies: [{ id: 'inward', on: 'publish', from: 'oss-public', to: 'minio-inside' }],
 * })
 * const ada = stowage.as({ userId: 'ada', userType: 'external' })
 * const cats = await ada.datasets.create({ name: 'cats' })
 * await cats.upload('./cats')
 * await stowage.idle()
 * await stowage.close()
 * ```
 */
export async function createStowage(input: StowageConfigInput, options: StowageOptions = {}): Promise<Stowage> {
  const config = parseConfig(input, options.env)
  const clock = options.clock ?? systemClock
  const random = options.random ?? systemRandom
  const secrets = KnownSecrets.of(config)
  const events: Events = new CleanEvents((payload) => sources.redactor.value(payload))
  const catalog = options.catalog ?? (await openCatalog(config.catalog ?? { type: 'memory' }, { clock, random }))
  const silence = new SilentCatalog(clock, events)
  const health = healthSettings(config.routing?.health)
  const kept = catalogSources(catalog, config, options, secrets)
  const sources = new Sources(config.sources, {
    clock,
    random,
    events,
    adapters: options.adapters ?? {},
    secrets,
    health,
    records: catalog.sync,
    silence,
    ...(kept === undefined ? {} : { catalog: kept }),
  })
  const caches = new Caches(sources, catalog.datasets, clock)
  const reads = new ReplicaReads({ catalog: catalog.datasets, clock, graceOf: (id) => caches.get(id)?.graceMs })
  let routed: Awaited<ReturnType<typeof openRouting>>
  try {
    await sources.fresh(true)
    checkPolicies(config.policies ?? [], new Set(sources.list().map(({ id }) => id)))
    const rooms = () => caches.rooms()
    const shared = { sources, records: catalog.sync, events, clock, random, rooms, silence }
    routed = await openRouting(config.routing ?? {}, shared)
  } catch (error) {
    if (options.catalog === undefined) await catalog.close()
    throw error
  }
  const sync = createSync({
    store: catalog.sync,
    clock,
    random,
    events,
    clean: (words) => sources.redactor.text(words),
  })
  const context: Context = {
    sources,
    catalog: catalog.datasets,
    sync,
    caches,
    reads,
    records: catalog.sync,
    events,
    clock,
    random,
    setbacks: new Setbacks(clock),
    nodes: config.routing?.nodes ?? {},
    decide: (request, replicas) => routed.routing.decide(request, replicas),
  }
  const manifests = new Manifests(context)
  const replications = new Replications(context, manifests)
  const copies = new CopyOnce(context, ({ datasetId, version, sourceId }, how) =>
    replications.run(datasetId, version, sourceId, how),
  )
  const periodic = periodicJobs(context, manifests, settingsOf(config.scrub))
  let queue: TaskService | undefined
  const close = async (): Promise<void> => {
    await queue?.close()
    await reads.flush()
    await routed.close()
    await sources.close()
    if (options.catalog === undefined) await catalog.close()
  }
  try {
    const tasks = await openQueue(config.queue, {
      store: catalog.sync,
      clock,
      random,
      events,
      clean: (words) => sources.redactor.text(words),
    })
    queue = tasks
    const work = config.queue ?? {}
    const opened = await openPolicies(context, replications, periodic, config.policies ?? [], tasks, work)
    const lease = new ProbeLease(catalog.sync, clock, random.id(clock.now()))
    return new Stowage({
      ...opened,
      context,
      routing: routed.routing,
      manifests,
      copies,
      ensure: new EnsureReplica(context, copies),
      replications,
      periodic,
      scrub: settingsOf(config.scrub),
      queue: tasks,
      work,
      readiness: new Readiness(clock, {
        // Any read does; that of a record that nobody writes costs next to nothing.
        catalog: () => catalog.sync.get('readiness'),
        queue: () => tasks.ping(),
      }),
      board: () => openQueueBoard(config.queue, clock),
      ...(health.probes ? { prober: new Prober({ sources, lease, clock, random, settings: health }) } : {}),
      background: options.background ?? true,
      close,
    })
  } catch (error) {
    await close()
    throw error
  }
}

function catalogSources(
  catalog: NonNullable<StowageOptions['catalog']>,
  config: StowageConfig,
  options: StowageOptions,
  secrets: KnownSecrets,
): CatalogSources | undefined {
  if (catalog.sources === undefined) return undefined
  const minimumVersion = config.vault?.minimumVersion
  return new CatalogSources({
    store: catalog.sources,
    catalogId: () => catalog.datasets.catalogId(),
    masterKeys: options.masterKeys ?? masterKeys(config, options.env ?? process.env, secrets),
    allowLoopback: config.network?.allowLoopback ?? false,
    onCredentials: (credentials) => secrets.addCredentials(credentials),
    ...(minimumVersion === undefined ? {} : { minimumVersion }),
  })
}

/** Where master keys come from when none are handed in. */
const masterKeyVariable = 'STOWAGE_MASTER_KEY'

function masterKeys(
  { vault }: StowageConfig,
  env: Record<string, string | undefined>,
  secrets: KnownSecrets,
): MasterKeyProvider[] {
  if (vault?.key !== undefined) return [textKey(vault.key, 'vault.key')]
  if (vault?.keyFile !== undefined) return [fileKey(vault.keyFile, (text) => secrets.addMasterKeys(text))]
  const text = env[masterKeyVariable]
  if (text === undefined || text === '') return []
  secrets.addMasterKeys(text)
  return [envKey(masterKeyVariable, env)]
}
