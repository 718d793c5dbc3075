import { checkPrefix, formatLocation, type Location, StowageError, toPrefix } from '@stowage/core'

/**
 * The folder that a location names. One that its store can hold nothing in is a slip, such as a path of the machine: listed, it would look
 * like an empty folder.
 * @throws StowageError `configuration`
 */
export function placeOf({ adapter, prefix }: Location, field: string): Location {
  const place = { adapter, prefix: toPrefix(prefix) }
  const reason = checkPrefix(place.prefix, adapter.capabilities.keys)
  if (reason === undefined) return place
  throw new StowageError('configuration', `There is no place ${formatLocation(place)}: what is in it ${reason}.`, {
    field,
    sourceId: adapter.id,
    hint: `Name the folder as it is called in ${adapter.id}, such as ${adapter.id}:train/raw; "${adapter.id}:" is the root.`,
  })
}
