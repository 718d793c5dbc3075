export { type AddressKind, classifyAddress } from './classify.ts'
export { type Endpoint, type EndpointPolicy, isLoopbackHost, judgeEndpoint, parseEndpoint } from './endpoint.ts'
export { type JudgedField, judgeAddress, type NetworkPolicy } from './judge.ts'
