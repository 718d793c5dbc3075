export { checksumOf, combinedChecksum, isChecksum, type RunningChecksum, runningChecksum } from './checksums.ts'
export { type CrcKind, type CrcPart, combineCrc } from './combine-crc.ts'
export { Crc64, crc64Base64, crc64Ecma } from './crc64.ts'
