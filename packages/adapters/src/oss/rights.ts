import { hasCode, type Permission, probeFolder } from '@stowage/core'
import type { ProbeSteps } from '../shared/index.ts'
import type { OssContext } from './context.ts'
import { childText, parseXml } from './xml.ts'

/** The object on which rights are tried. */
const name = 'doctor'

/** Tries one right after the other. What cannot be told, because another right is missing, is left out. */
export async function tryRights(
  { transport }: OssContext,
  steps: ProbeSteps,
  write: boolean,
  signal: AbortSignal,
): Promise<Partial<Record<Permission, boolean>>> {
  const key = probeFolder + name
  const found: Partial<Record<Permission, boolean>> = {}
  async function attempt<T>(right: Permission, call: () => Promise<T>): Promise<T | undefined> {
    try {
      const result = await call()
      found[right] ??= true
      return result
    } catch (error) {
      if (hasCode(error, 'access-denied')) found[right] = false
      // A store that answers something else has let us ask.
      else if (hasCode(error, 'precondition-failed', 'not-found', 'conflict')) found[right] ??= true
      else if (!hasCode(error, 'not-supported')) throw error
      return undefined
    }
  }
  const once = { key, signal, attempts: 1 }

  await attempt('list', async () => steps.ask?.(signal))
  if (write) await attempt('put', () => steps.write(name, signal))
  await attempt('get', () => steps.readCanary(signal))
  // Those who may not list are told that they may not read what is not there.
  if (found.get === false && found.list === false && found.put !== true) delete found.get
  if (!write) return found

  if (found.put === true) {
    const xml = Buffer.from('<Tagging><TagSet><Tag><Key>stowage</Key><Value>doctor</Value></Tag></TagSet></Tagging>')
    const headers = { 'content-type': 'application/xml', 'content-length': String(xml.length) }
    await attempt('tags', () =>
      transport.send({ ...once, method: 'PUT', query: { tagging: '' }, headers, body: () => xml }),
    )
    await attempt('tags', () => transport.send({ ...once, method: 'GET', query: { tagging: '' } }))
  }
  const uploadId = await attempt('multipart', async () => {
    const { text } = await transport.send({ ...once, method: 'POST', query: { uploads: '' }, headers: noBody })
    return childText(parseXml(text), 'UploadId')
  })
  if (uploadId !== undefined) {
    await attempt('multipart', () => transport.send({ ...once, method: 'GET', query: { uploadId } }))
    await attempt('abort', () => transport.send({ ...once, method: 'DELETE', query: { uploadId } }))
  }
  await attempt('delete', () => steps.remove(name, undefined, signal))
  return found
}

const noBody = { 'content-length': '0' }
