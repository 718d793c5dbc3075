export { type BullCarrierOptions, bullCarrier, queueName } from './carrier.ts'
export { connectionOf, type RedisLocation } from './redis-url.ts'
