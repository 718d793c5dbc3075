import { Events, type StowageEvents } from '@stowage/core'

/** Events whose payload has texts that others wrote. */
const worded: ReadonlySet<keyof StowageEvents> = new Set<keyof StowageEvents>([
  'alert',
  'replica.damaged',
  'task.state',
])

/** The emitter of a Stowage: whatever a store or a driver said, no secret leaves by an event. */
export class CleanEvents extends Events {
  readonly #clean: (payload: unknown) => unknown

  constructor(clean: (payload: unknown) => unknown) {
    super()
    this.#clean = clean
  }

  override emit<N extends keyof StowageEvents>(name: N, payload: StowageEvents[N]): void {
    super.emit(name, worded.has(name) ? (this.#clean(payload) as StowageEvents[N]) : payload)
  }
}
