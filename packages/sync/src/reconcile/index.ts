export { broughtOf, checkShares, emptiedBy, withinShares } from './caps.ts'
export { twoWay } from './two-way.ts'
