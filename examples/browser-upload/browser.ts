/*
 * What a page would run: it has no credentials and uses what every browser has. The bytes go straight to the store.
 */

/** The size of a digest block, which is part of the format. */
const BLOCK = 8 * 1024 * 1024

/** Parts on the way at once. */
const PARALLEL = 3

interface Request {
  url: string
  method: string
  headers: Record<string, string>
}

interface Part extends Request {
  partNumber: number
  start: number
  size: number
}

type Signed = { kind: 'single'; request: Request } | { kind: 'parts'; partCount: number; parts: Part[] }

/** SHA-256 a block at a time, since `crypto.subtle` takes no streams: only one block of the file is in memory. */
export async function digestFile(file: Blob): Promise<{ digest: string; blocks: string }> {
  const count = Math.max(1, Math.ceil(file.size / BLOCK))
  const blocks = new Uint8Array(32 * count)
  for (let i = 0; i < count; i++) {
    const bytes = await file.slice(i * BLOCK, (i + 1) * BLOCK).arrayBuffer()
    blocks.set(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)), 32 * i)
  }
  const digest = count === 1 ? blocks : new Uint8Array(await crypto.subtle.digest('SHA-256', blocks))
  return { digest: hex(digest), blocks: hex(blocks) }
}

/** Sends a file and has it accepted. Called again after it was interrupted, it sends only the parts that are missing. */
export async function uploadFile(api: string, path: string, file: Blob): Promise<void> {
  const { digest, blocks } = await digestFile(file)
  const signed = await call<Signed>(`${api}/sign`, { path, size: file.size, digest, blocks })
  if (signed.kind === 'single') await send(signed.request, file)
  else await sendParts(api, path, file)
  await call(`${api}/accept`, { path })
}

async function sendParts(api: string, path: string, file: Blob): Promise<void> {
  for (let first = 1; ; ) {
    const { parts } = await call<{ parts: Part[] }>(`${api}/parts`, { path, first })
    const last = parts.at(-1)
    if (last === undefined) return
    const left = parts.values()
    const worker = async (): Promise<void> => {
      for (const part of left) await send(part, file.slice(part.start, part.start + part.size))
    }
    await Promise.all(Array.from({ length: PARALLEL }, worker))
    first = last.partNumber + 1
  }
}

async function send({ url, method, headers }: Request, body: Blob): Promise<void> {
  // Bytes rather than the blob itself: a blob of a type would send that in place of the type that was signed.
  const response = await fetch(url, { method, headers, body: await body.arrayBuffer() })
  const text = await response.text()
  // 412, or 409 of OSS: it was sent before. Whether it was this file, acceptance will tell.
  if (!response.ok && response.status !== 412 && response.status !== 409) {
    throw new Error(`the store answered ${response.status}: ${text}`)
  }
}

async function call<T>(url: string, body: object): Promise<T> {
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })
  const answer: unknown = await response.json()
  if (response.ok) return answer as T
  const { code, message } = answer as { code: string; message: string }
  throw new Error(`${code}: ${message}`)
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
