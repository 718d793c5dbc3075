export { allPlaces, isHeldAt, placesIn, type ScrubPlace, sizeOf, versionsAt, writtenAt } from './places.ts'
export {
  type Cursor,
  newPlace,
  noCounts,
  type PassCounts,
  type PlaceState,
  placeKey,
  placeStates,
  remember,
} from './state.ts'
export { later, report, type Suspect, suspectOf, suspects, unitOf } from './suspects.ts'
export { bytesOf, type Unit, type Unlisted, unitsOf } from './units.ts'
