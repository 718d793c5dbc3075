import { asksForTls } from '../../shared/index.ts'
import { type Thrown, wantsTlsAnswer } from '../errors.ts'
import { readXml } from './xml.ts'

/** An answer that was read whole. */
interface Answer {
  readonly status: number
  readonly bytes: Buffer
  header(name: string): string | undefined
}

/** Clocks that differ by more than this are refused by stores (15 minutes), or soon will be; in milliseconds. */
const mostSkew = 5 * 60_000

/**
 * An answer that says no, in the form in which the SDK throws it.
 * @param status what it counts as, where that is not what it began with
 */
export function errorOf(answer: Answer, status: number = answer.status): Error & Thrown {
  const { code, message, requestId, region, endpoint } = readError(answer.bytes)
  const id = requestId ?? answer.header('x-amz-request-id')
  const headers: Record<string, string> = {}
  for (const name of ['retry-after', 'location', 'x-amz-bucket-region', 'x-amz-delete-marker']) {
    const value = answer.header(name)
    if (value !== undefined) headers[name] = value
  }
  const wantsTls = code === undefined && asksForTls(status, answer.bytes.toString('latin1', 0, 1000))
  return Object.assign(new Error(message ?? `status ${status}`), {
    name: code ?? (wantsTls ? wantsTlsAnswer : 'UnknownError'),
    $metadata: { httpStatusCode: status, ...(id === undefined ? {} : { requestId: id }) },
    $response: { headers },
    ...(region === undefined ? {} : { Region: region }),
    ...(endpoint === undefined ? {} : { Endpoint: endpoint }),
  })
}

/** Whether a request was refused because the clocks differ. The answer to HEAD has no body to say so: then the date tells. */
export function isSkewed(answer: Answer, sentAt: number): boolean {
  if (answer.status !== 403 && answer.status !== 400) return false
  const theirs = Date.parse(answer.header('date') ?? '')
  if (Number.isNaN(theirs)) return false
  const { code } = readError(answer.bytes)
  if (code === 'RequestTimeTooSkewed') return true
  return code === undefined && Math.abs(theirs - sentAt) >= mostSkew
}

interface ErrorBody {
  code?: string
  message?: string
  requestId?: string
  region?: string
  endpoint?: string
}

/** The parts of an error's XML. What is no XML, such as a proxy's page, has none. */
function readError(bytes: Buffer): ErrorBody {
  const found: ErrorBody = {}
  if (bytes.length === 0) return found
  try {
    readXml(bytes.toString('utf8'), (name, parent, depth, text) => {
      if (depth !== 2 || parent !== 'Error') return
      if (name === 'Code') found.code = text.trim()
      else if (name === 'Message') found.message = text
      else if (name === 'RequestId') found.requestId = text
      else if (name === 'Region') found.region = text.trim()
      else if (name === 'Endpoint') found.endpoint = text.trim()
    })
  } catch {
    return {}
  }
  return found
}
