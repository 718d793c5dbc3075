import { type Permission, probeFolder } from '@stowage/core'
import { type ProbeSteps, RightsTrial } from '../shared/index.ts'
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
  const trial = new RightsTrial()
  const { found } = trial
  const once = { key, signal, attempts: 1 }

  await trial.attemptSteps(steps, name, write, signal)
  if (!write) return found

  if (found.put === true) {
    const xml = Buffer.from('<Tagging><TagSet><Tag><Key>stowage</Key><Value>doctor</Value></Tag></TagSet></Tagging>')
    const headers = { 'content-type': 'application/xml', 'content-length': String(xml.length) }
    await trial.attempt('tags', () =>
      transport.send({ ...once, method: 'PUT', query: { tagging: '' }, headers, body: () => xml }),
    )
    await trial.attempt('tags', () => transport.send({ ...once, method: 'GET', query: { tagging: '' } }))
  }
  const uploadId = await trial.attempt('multipart', async () => {
    const { text } = await transport.send({ ...once, method: 'POST', query: { uploads: '' }, headers: noBody })
    return childText(parseXml(text), 'UploadId')
  })
  if (uploadId !== undefined) {
    await trial.attempt('multipart', () => transport.send({ ...once, method: 'GET', query: { uploadId } }))
    await trial.attempt('abort', () => transport.send({ ...once, method: 'DELETE', query: { uploadId } }))
  }
  await trial.attempt('delete', () => steps.remove(name, undefined, signal))
  return found
}

const noBody = { 'content-length': '0' }
