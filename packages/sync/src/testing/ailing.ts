import { StowageError } from '@stowage/core'
import { Life } from '@stowage/core/testing'

/** A process whose store fails at one call, before or after it has its effect, and then never again. */
export class Ailing extends Life {
  override after(): void {
    if (!this.dead) return
    this.dead = false
    this.left = Number.POSITIVE_INFINITY
    throw new StowageError('unavailable', 'The store is away.')
  }

  override before(name: string): void {
    if (--this.left !== 0) return
    this.last = name
    this.dead = true
    if (!this.effect) this.after()
  }
}
