export { type CrcKind, type CrcPart, combineCrc } from './combine.ts'
export { crc32c, crc32cPolynomial } from './crc32c.ts'
export { Crc64, crc64Base64, crc64Ecma, crc64Nvme } from './crc64.ts'
