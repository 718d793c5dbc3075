import { isSet, type Preference } from './source-set.ts'

/**
 * How many candidates preferences put before each, the preference that comes first counting most. Candidates are taken apart preference by
 * preference: those that one puts first move to the front of the group they were equal in. Once nobody is equal to anybody, what is left of
 * the preferences cannot matter, so that a thousand rules cost little more than those that make a difference.
 *
 * @param candidates places of sources
 * @returns by place of a source
 */
export function ranksOf(preferences: readonly Preference[], candidates: readonly number[]): number[] {
  const ranks: number[] = []
  for (const place of candidates) ranks[place] = 0
  if (candidates.length < 2 || preferences.length === 0) return ranks
  const order = candidates.slice()
  // For each position in `order`, where its group begins: that is the rank of all in the group.
  const begins = order.map(() => 0)
  let groups = 1
  for (const { bits, list } of preferences) {
    if (list === undefined) groups += takeApart(order, begins, (place) => isSet(bits, place))
    else for (const first of list) groups += takeApart(order, begins, (place) => place === first)
    if (groups === order.length) break
  }
  for (let i = 0; i < order.length; i++) ranks[order[i] as number] = begins[i] as number
  return ranks
}

/** The place of a source in a preference: 0 is first. */
function standing({ bits, list }: Preference, place: number): number {
  if (list === undefined) return isSet(bits, place) ? 0 : 1
  const i = list.indexOf(place)
  return i < 0 ? list.length : i
}

/** The first preference that does not treat two sources alike. */
export function separator(preferences: readonly Preference[], a: number, b: number): string | undefined {
  return preferences.find((preference) => standing(preference, a) !== standing(preference, b))?.ruleId
}

/** Moves those that are first to the front of their groups. Returns how many groups that adds. */
function takeApart(order: number[], begins: number[], isFirst: (place: number) => boolean): number {
  let added = 0
  for (let begin = 0, end = 0; begin < order.length; begin = end) {
    end = begin + 1
    while (end < order.length && begins[end] === begin) end++
    if (end - begin < 2) continue
    let front = begin
    for (let i = begin; i < end; i++) {
      const place = order[i] as number
      if (!isFirst(place)) continue
      // A swap changes the order within the rest, which says nothing: they are equal so far.
      order[i] = order[front] as number
      order[front++] = place
    }
    if (front === begin || front === end) continue
    for (let i = front; i < end; i++) begins[i] = front
    added++
  }
  return added
}
