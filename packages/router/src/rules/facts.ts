import type { RouteRequest } from '../request.ts'
import { lookUp, type RouteNode } from '../world.ts'

/** What conditions are tested against. */
export interface Facts {
  readonly purpose: string
  readonly userType: string
  readonly userId: string | undefined
  readonly workspaceId: string | undefined
  readonly region: string | undefined
  readonly node: string | undefined
  readonly nodeLabels: Readonly<Record<string, string>> | undefined
  readonly datasetId: string | undefined
  readonly tags: readonly string[]
  readonly size: number | undefined
}

/** @param node what the world knows of the node that asks */
export function factsOf(request: RouteRequest, node?: RouteNode): Facts {
  const { actor } = request
  return {
    purpose: request.purpose,
    userType: actor.userType ?? 'internal',
    userId: actor.userId,
    workspaceId: actor.workspaceId,
    region: actor.region ?? node?.region,
    node: request.node,
    nodeLabels: node?.labels,
    datasetId: request.datasetId,
    tags: request.tags ?? [],
    size: request.size,
  }
}

/** Whether labels have what is asked for: of each name one of its values. */
export function hasLabels(
  wanted: Readonly<Record<string, readonly string[]>>,
  labels: Readonly<Record<string, string>> | undefined,
): boolean {
  for (const name in wanted) {
    const value = lookUp(labels, name)
    if (value === undefined || !wanted[name]?.includes(value)) return false
  }
  return true
}
