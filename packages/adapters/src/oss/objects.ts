import {
  type ByteSource,
  bodySize,
  type GetOptions,
  type GetResult,
  type HeadOptions,
  hasCode,
  type ObjectInfo,
  type PutOptions,
  type PutResult,
} from '@stowage/core'
import {
  answeredRange,
  assertRange,
  assertSize,
  ExactBody,
  quote,
  rangeBeyondEnd,
  rangeHeader,
  wrongChecksum,
} from '../shared/index.ts'
import type { OssContext } from './context.ts'
import { Crc64, crc64FromHeader } from './crc64.ts'
import { encodePath, type Query } from './encode.ts'
import { infoOf, putResult, writeHeaders } from './headers.ts'
import { prepareBody } from './upload-body.ts'
import { assertWritten } from './written.ts'

export async function headObject({ transport }: OssContext, key: string, options: HeadOptions): Promise<ObjectInfo> {
  const { ifMatch, versionId, signal } = options
  const { headers } = await transport.send({
    method: 'HEAD',
    key,
    signal,
    query: versionQuery(versionId),
    headers: conditions(ifMatch),
  })
  return infoOf(key, sizeOf(headers['content-length']) ?? 0, headers)
}

export async function getObject(context: OssContext, key: string, options: GetOptions): Promise<GetResult> {
  const { adapter, transport } = context
  const { range, ifMatch, versionId, signal } = options
  if (range !== undefined) assertRange(adapter, key, range)
  const answer = await transport
    .open({
      method: 'GET',
      key,
      signal,
      query: versionQuery(versionId),
      headers: {
        ...conditions(ifMatch),
        // Without the second, OSS answers a range that goes beyond the end with the whole object.
        ...(range === undefined ? {} : { range: rangeHeader(range), 'x-oss-range-behavior': 'standard' }),
      },
    })
    .catch((error: unknown) => {
      const beyond =
        range !== undefined && hasCode(error, 'invalid-request') && error.message.includes('beyond the end')
      throw beyond ? rangeBeyondEnd(adapter, key, range.start, error) : error
    })
  const { headers } = answer
  try {
    const found = answeredRange(adapter, key, range, headers['content-range'], sizeOf(headers['content-length']))
    const info = infoOf(key, found.size, headers)
    const expected = range === undefined ? crc64FromHeader(headers['x-oss-hash-crc64ecma']) : undefined
    const crc = new Crc64()
    const body = new ExactBody(answer.body, {
      length: found.length,
      what: `${adapter.id}: ${JSON.stringify(key)}`,
      signal,
      stallMs: transport.stallMs,
      mapError: (error) => transport.mapError(error, key),
      ...(expected === undefined
        ? {}
        : {
            onChunk: (chunk: Uint8Array) => {
              crc.update(chunk)
            },
            onEnd: () => {
              if (crc.value !== expected) throw wrongChecksum(adapter, key, 'crc64ecma')
            },
          }),
    })
    return { info, range: { start: found.start, length: found.length }, body }
  } catch (error) {
    answer.body.destroy()
    throw error
  }
}

export async function putObject(
  context: OssContext,
  key: string,
  body: ByteSource,
  options: PutOptions,
): Promise<PutResult> {
  const { adapter, transport } = context
  const { checksum, signal } = options
  const createOnly = options.ifNoneMatch !== undefined
  const headers = writeHeaders(context, options)
  const size = bodySize(body, options.size)
  assertSize(adapter, key, size, adapter.capabilities.maxPutSize)
  if (createOnly) await context.control.assertUnversioned(signal)
  const upload = await prepareBody(adapter, body, { key, size, checksum, signal, withMd5: transport.address.isPlain })
  const answer = await transport.send({
    method: 'PUT',
    key,
    signal,
    repeatable: !createOnly,
    ...(upload.repeatable ? {} : { attempts: 1 }),
    headers: {
      ...headers,
      ...upload.headers,
      ...(createOnly ? { 'x-oss-forbid-overwrite': 'true' } : {}),
    },
    body: (flow) => upload.open(flow),
  })
  const result = putResult(answer.headers['etag'], answer.headers)
  await assertWritten(context, key, result.etag, answer.headers, { crc: upload.crc(), createOnly })
  return result
}

/** The value of `x-oss-copy-source`. */
export function copySource(bucket: string, key: string): string {
  return `/${bucket}/${encodePath(key)}`
}

export function versionQuery(versionId: string | undefined): Query {
  return versionId === undefined ? {} : { versionId }
}

function conditions(ifMatch: string | undefined): Record<string, string> {
  return ifMatch === undefined ? {} : { 'if-match': quote(ifMatch) }
}

function sizeOf(header: string | undefined): number | undefined {
  return header !== undefined && /^\d+$/.test(header) ? Number(header) : undefined
}
