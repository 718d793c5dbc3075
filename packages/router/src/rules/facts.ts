import type { RouteRequest } from '../request.ts'

/** What conditions are tested against. */
export interface Facts {
  readonly purpose: string
  readonly userType: string
  readonly userId: string | undefined
  readonly workspaceId: string | undefined
  readonly region: string | undefined
  readonly datasetId: string | undefined
  readonly tags: readonly string[]
  readonly size: number | undefined
}

export function factsOf(request: RouteRequest): Facts {
  const { actor } = request
  return {
    purpose: request.purpose,
    userType: actor.userType ?? 'internal',
    userId: actor.userId,
    workspaceId: actor.workspaceId,
    region: actor.region,
    datasetId: request.datasetId,
    tags: request.tags ?? [],
    size: request.size,
  }
}
