export { parseFormatted } from './formatted.ts'
export { checkRecordFormat, decodeRecord, encodeRecord, RECORD_FORMAT } from './record.ts'
