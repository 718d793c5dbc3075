/** External users come from outside and use public sources; internal ones work near the GPUs. */
export type UserType = 'external' | 'internal'

/** Who asks. Every use case has an actor. */
export interface Actor {
  userId?: string
  /** @defaultValue 'internal' */
  userType?: UserType
  workspaceId?: string
  /** The region of the node or the user. */
  region?: string
}
