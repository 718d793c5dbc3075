import { ailment } from '../health/index.ts'
import { lookUp, MOUNTED } from '../world.ts'
import type { Situation } from './filters.ts'
import type { Scored } from './vector.ts'

/** What speaks for a candidate and against it, the weightiest first. */
export function reasonsFor({ source, place, vector }: Scored, situation: Situation): string[] {
  const { effects, request, world } = situation
  const health = lookUp(world.health, source.id)
  const why = health === undefined ? '' : ailment(health)
  const reasons: string[] = []
  if (vector.spill > 0) reasons.push(`rule "${effects.spill?.ruleId}" lets others go first`)
  const preferredBy = effects.preferredBy[place]
  if (preferredBy !== undefined) reasons.push(`rule "${preferredBy}" prefers it`)
  if (health !== undefined && !health.healthy)
    reasons.push(`not healthy (${ailment(health) || 'no reason known'}), tried for want of others`)
  else if (vector.health > 0) reasons.push(`health tier ${vector.health}${why === '' ? '' : ` (${why})`}`)
  if (request.stayWith === source.id) reasons.push('the session stays with it')
  if (situation.replicas !== undefined && request.purpose !== 'backup') reasons.push('holds a ready replica')
  if (vector.distance === MOUNTED) reasons.push('mounted on the node')
  else if (effects.facts.region !== undefined) {
    if (source.region === undefined) reasons.push('its region is not known')
    else if (source.region === effects.facts.region) reasons.push(`in the same region (${source.region})`)
    else reasons.push(`${vector.distance} from ${effects.facts.region}`)
  }
  const tiedBy = effects.tiedBy[place]
  if (tiedBy !== undefined) reasons.push(`rule "${tiedBy}" breaks a tie for it`)
  reasons.push(`priority ${source.priority}`)
  const reads = request.purpose === 'read' || request.purpose === 'repair'
  if (vector.cost > 0) reasons.push(`costs ${vector.cost} a GB ${reads ? 'read' : 'kept'}`)
  const permittedBy = effects.permittedBy[place]
  if (!source.isPublic && request.actor.userType === 'external' && permittedBy !== undefined) {
    reasons.push(`rule "${permittedBy}" permits it`)
  }
  return reasons
}
