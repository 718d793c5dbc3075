import { hashText, toUnit } from '../hash/index.ts'
import { lookUp } from '../world.ts'
import { type Ground, type Scored, weightOf } from './vector.ts'

/**
 * Marks what passes this request on: tiers of which too little is healthy pass on the keys that the healthy part should not have to carry,
 * and sources that are busy take none while others can.
 *
 * @param scored the candidates
 * @param sick sources that only their health speaks against: what is missing of their tiers
 */
export function spillOver(scored: readonly Scored[], sick: readonly Scored[], ground: Ground): void {
  const { world, effects, key } = ground
  const { spill } = effects
  if (spill === undefined) return
  if (spill.healthy !== undefined) {
    for (const [tier, { well, all }] of tiersOf(scored, sick, ground)) {
      const keeps = well / (all * spill.healthy)
      const passesOn = toUnit(hashText(tier, hashText('spill', key))) >= keeps
      if (passesOn) for (const each of scored) if (tierOf(each) === tier) each.vector.spill = 1
    }
  }
  if (spill.load === undefined) return
  for (const { source, vector } of scored) {
    if ((lookUp(world.load, source.id) ?? 0) >= spill.load) vector.spill = 1
  }
}

/** Weights of each tier that has candidates. */
function tiersOf(
  scored: readonly Scored[],
  sick: readonly Scored[],
  { effects }: Ground,
): Map<string, { well: number; all: number }> {
  const tiers = new Map<string, { well: number; all: number }>()
  for (const each of scored) {
    const tier = tiers.get(tierOf(each)) ?? { well: 0, all: 0 }
    const weight = weightOf(each.source, effects)
    tiers.set(tierOf(each), { well: tier.well + weight, all: tier.all + weight })
  }
  for (const each of sick) {
    const tier = tiers.get(tierOf(each))
    if (tier !== undefined) tier.all += weightOf(each.source, effects)
  }
  return tiers
}

/** Sources that stand equal in what was set by people. */
function tierOf({ vector }: Scored): string {
  return `${vector.preference}/${vector.distance}/${vector.priority}`
}
