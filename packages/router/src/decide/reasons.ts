import { lastPlace, placeIn } from '../rules/index.ts'
import { lookUp } from '../world.ts'
import type { Situation } from './filters.ts'
import type { Scored } from './vector.ts'

/** What speaks for a candidate and against it, the weightiest first. */
export function reasonsFor({ source, vector }: Scored, situation: Situation): string[] {
  const { effects, request, world } = situation
  const health = lookUp(world.health, source.id)
  const reasons: string[] = []
  for (const [i, { ruleId, selector }] of effects.prefer.entries()) {
    if ((vector.preference[i] ?? 0) < lastPlace(selector)) reasons.push(`rule "${ruleId}" prefers it`)
  }
  if (health !== undefined && !health.healthy)
    reasons.push(`not healthy (${health.code ?? 'no reason known'}), tried for want of others`)
  else if (vector.health > 0)
    reasons.push(`health tier ${vector.health}${health?.code === undefined ? '' : ` (${health.code})`}`)
  if (situation.replicas !== undefined && request.purpose !== 'backup') reasons.push('holds a ready replica')
  if (effects.facts.region !== undefined) {
    if (source.region === undefined) reasons.push('its region is not known')
    else if (source.region === effects.facts.region) reasons.push(`in the same region (${source.region})`)
    else reasons.push(`${vector.distance} from ${effects.facts.region}`)
  }
  for (const { ruleId, selector } of effects.tieBreak) {
    if (placeIn(selector, source, effects.facts) >= 0) reasons.push(`rule "${ruleId}" breaks a tie for it`)
  }
  reasons.push(`priority ${source.priority}`)
  if (!source.isPublic && request.actor.userType === 'external') {
    const permit = effects.permit.find(({ selector }) => placeIn(selector, source, effects.facts) >= 0)
    if (permit !== undefined) reasons.push(`rule "${permit.ruleId}" permits it`)
  }
  return reasons
}
