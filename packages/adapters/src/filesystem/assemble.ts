import type { FileHandle } from 'node:fs/promises'
import { StowageError, throwIfAborted, type UploadedPart } from '@stowage/core'
import type { Context } from './context.ts'
import type { Staged } from './stage.ts'
import type { PartRecord, UploadStore } from './upload-store.ts'

const copyBytes = 1024 * 1024

/**
 * Makes one file of the parts of an upload. Parts that lie in their slots, one after the other, are that file already and cost nothing;
 * otherwise the parts are copied together.
 * @throws StowageError `invalid-request` when a part is not the one that was uploaded last
 */
export async function assemble(
  context: Context,
  uploads: UploadStore,
  folder: string,
  key: string,
  parts: readonly UploadedPart[],
  signal: AbortSignal | undefined,
): Promise<Staged> {
  const records: PartRecord[] = []
  for (const wanted of parts) {
    const record = await uploads.part(folder, wanted.partNumber)
    if (record === undefined || record.part.etag !== wanted.etag) throw unknownPart(context, key, wanted.partNumber)
    records.push(record)
  }
  const slot = await uploads.slotSize(folder, 0)
  const size = records.reduce((sum, { part }) => sum + part.size, 0)
  if (isContiguous(records, slot) && (await uploads.isQuiet(folder))) {
    const path = `${folder}/data`
    const handle = await context.fs.open(path, 'r+')
    return finish(context, path, handle, () => handle.truncate(size))
  }
  const path = `${folder}/whole-${context.newId()}`
  const handle = await context.fs.open(path, 'wx')
  return finish(context, path, handle, async () => {
    let at = 0
    for (const { part, file } of records) {
      const from = file === undefined ? (part.partNumber - 1) * slot : 0
      await copyRange(context, `${folder}/${file ?? 'data'}`, from, part.size, handle, at, signal)
      at += part.size
    }
  })
}

/** Whether the parts fill the slots from the first on without a gap. */
function isContiguous(records: readonly PartRecord[], slot: number): boolean {
  return records.every(({ part, file }, i) => {
    const isLast = i === records.length - 1
    return file === undefined && part.partNumber === i + 1 && (isLast || part.size === slot)
  })
}

async function finish(context: Context, path: string, handle: FileHandle, work: () => Promise<void>): Promise<Staged> {
  try {
    await work()
    if (context.flush) await handle.datasync()
    return { path, status: await handle.stat({ bigint: true }) }
  } finally {
    await handle.close()
  }
}

async function copyRange(
  context: Context,
  path: string,
  from: number,
  length: number,
  target: FileHandle,
  at: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const source = await context.fs.open(path, 'r')
  try {
    const buffer = Buffer.allocUnsafe(Math.min(copyBytes, length))
    for (let done = 0; done < length; ) {
      throwIfAborted(signal)
      const { bytesRead } = await source.read(buffer, 0, Math.min(buffer.length, length - done), from + done)
      if (bytesRead === 0)
        throw new StowageError('integrity', `${context.adapter.id}: a part became shorter than it was written.`)
      let written = 0
      while (written < bytesRead) {
        written += (await target.write(buffer, written, bytesRead - written, at + done + written)).bytesWritten
      }
      done += bytesRead
    }
  } finally {
    await source.close()
  }
}

function unknownPart(context: Context, key: string, partNumber: number): StowageError {
  const { id } = context.adapter
  return new StowageError(
    'invalid-request',
    `${id}: part ${partNumber} of ${JSON.stringify(key)} is not the one the store has.`,
    {
      key,
      sourceId: id,
      hint: 'Ask listParts for the parts that are there.',
    },
  )
}
