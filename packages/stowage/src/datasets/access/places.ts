import { type DatasetReplica, hasCode, StowageError, toStowageError } from '@stowage/core'
import type { Context } from '../../app/context.ts'
import type { AccessAnswer } from './options.ts'

/** Any key will do where only the folder is asked for. */
const ANY = 'x'

/** Checks that a node is known. @throws StowageError `invalid-request` */
export function checkNode({ nodes }: Pick<Context, 'nodes'>, node: string | undefined): void {
  if (node === undefined || Object.hasOwn(nodes, node)) return
  throw new StowageError('invalid-request', `There is no node "${node}".`, {
    field: 'node',
    hint: 'Nodes are named in routing.nodes of the configuration.',
  })
}

/**
 * The folder on a node, or on this machine, under which the keys of a replica lie as files. Ends in `/`.
 * @throws StowageError `not-supported` when the source is not mounted there
 */
export async function mountOf(
  { nodes, sources }: Pick<Context, 'nodes' | 'sources'>,
  { sourceId, path }: Pick<DatasetReplica, 'sourceId' | 'path'>,
  node: string | undefined,
): Promise<string> {
  const mounts = node === undefined || !Object.hasOwn(nodes, node) ? undefined : (nodes[node]?.mounts ?? [])
  if (mounts !== undefined && !Array.isArray(mounts) && Object.hasOwn(mounts, sourceId)) {
    return `${(mounts[sourceId] as string).replace(/\/+$/, '')}/${path}`
  }
  if (mounts !== undefined && !(Array.isArray(mounts) && mounts.includes(sourceId))) {
    throw new StowageError('not-supported', `"${sourceId}" is not mounted on node "${node}".`, { sourceId })
  }
  const adapter = await sources.adapter(sourceId)
  return adapter.mountPath(path + ANY).slice(0, -ANY.length)
}

/** How long a path that was given out may be read, in milliseconds: it does not say when it ends. */
const MOUNT_MS = 86_400_000

/**
 * Keeps the bytes of a replica that is handed out where they are, until its URLs end, or for a day where it is mounted.
 * @throws StowageError `not-found` when it is on its way out
 */
export async function keep(
  { clock, reads }: Pick<Context, 'clock' | 'reads'>,
  replica: DatasetReplica,
  expiresIn?: number,
): Promise<void> {
  const ms = expiresIn === undefined ? MOUNT_MS : expiresIn * 1000
  if (await reads.hold(replica, clock.now() + ms)) return
  throw new StowageError('not-found', 'its replica is being removed', { sourceId: replica.sourceId })
}

/**
 * Asks each replica in turn, and notes why one cannot.
 * @throws StowageError what is wrong with the request or stops it, which is no fault of a source
 */
export async function fromEach<T>(
  replicas: readonly DatasetReplica[],
  without: AccessAnswer['without'],
  ask: (replica: DatasetReplica) => Promise<T>,
): Promise<T[]> {
  const answers: T[] = []
  for (const replica of replicas) {
    try {
      answers.push(await ask(replica))
    } catch (error) {
      if (hasCode(error, 'aborted', 'invalid-request')) throw error
      without.push({ sourceId: replica.sourceId, reason: toStowageError(error).message })
    }
  }
  return answers
}

/** What to throw when no source gives what is asked for: it says why of each. */
export function noneGives(what: string, without: AccessAnswer['without']): StowageError {
  return new StowageError('not-supported', what, {
    hint: without.map(({ sourceId, reason }) => `${sourceId}: ${reason}`).join('; '),
  })
}
