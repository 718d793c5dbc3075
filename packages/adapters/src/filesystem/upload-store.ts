import { createHash } from 'node:crypto'
import { errnoOf, type ObjectHeaders, type UploadedPart } from '@stowage/core'
import { uploadNotFound } from '../shared/index.ts'
import type { Context } from './context.ts'
import { isMissing } from './errors.ts'
import { isOwnerDead, ownerText } from './owner.ts'

/** The version of the files below. */
const format = 1

/** What `upload.json` of an unfinished upload holds. */
export interface UploadRecord {
  format: number
  key: string
  initiated: number
  headers: ObjectHeaders
}

/** What `parts/<number>.json` holds: a part that is whole. */
export interface PartRecord {
  part: UploadedPart
  /** The part's own file in the upload's folder; without it, the part lies in `data` at its slot. */
  file?: string
}

/**
 * The files of unfinished uploads, in `.stowage-fs/uploads/<id>/`:
 *
 * - `upload.json`: the key and its headers;
 * - `slots.json`: the size of a slot, fixed by the first part that came; part n has its slot in `data` at (n - 1) times that;
 * - `data`: parts in their slots, so that an upload of equal parts is finished by a rename;
 * - `claims/<n>`: made by the one call that may write slot n, with its process. Other calls for part n write files of their own;
 * - `publishing.json`: the etag of the file that is about to become the object;
 * - `parts/<n>.json`: written when a part is whole. A claim without it is a part that is being written, or a writer that died.
 *
 * While it is being completed the folder is called `<id>.completing`: no new part can begin then.
 */
export class UploadStore {
  readonly #context: Context

  constructor(context: Context) {
    this.#context = context
  }

  /** Ids begin with a hash of the key, so that the uploads of a key are found by name. */
  newUploadId(key: string): string {
    return `${keyHash(key)}-${this.#context.newId()}`
  }

  async create(uploadId: string, record: Omit<UploadRecord, 'format'>): Promise<void> {
    const { fs, place } = this.#context
    const building = place.work('tmp', this.#context.newId())
    await place.ensureRoot()
    await fs.mkdir(place.work('uploads'), { recursive: true })
    await fs.mkdir(`${building}/claims`, { recursive: true })
    await fs.mkdir(`${building}/parts`)
    await this.#writeJson(`${building}/upload.json`, { format, ...record })
    await fs.rename(building, place.work('uploads', uploadId))
  }

  /**
   * The folder of an upload.
   * @throws StowageError `not-found` when it is not an unfinished upload of this key
   */
  async find(key: string, uploadId: string): Promise<{ folder: string; completing: boolean; record: UploadRecord }> {
    if (isUploadId(key, uploadId)) {
      for (const completing of [false, true]) {
        const folder = this.folder(uploadId, completing)
        const record = await this.#readJson<UploadRecord>(`${folder}/upload.json`)
        if (record?.key === key) return { folder, completing, record }
      }
    }
    await this.#context.place.assertRoot()
    throw uploadNotFound(this.#context.adapter, key)
  }

  folder(uploadId: string, completing: boolean): string {
    return this.#context.place.work('uploads', completing ? `${uploadId}.completing` : uploadId)
  }

  /** Fixes the size of the slots, or learns what another call fixed. */
  async slotSize(folder: string, proposed: number): Promise<number> {
    const path = `${folder}/slots.json`
    const known = await this.#readJson<{ size: number }>(path)
    if (known !== undefined) return known.size
    if (await this.#writeOnce(path, { size: proposed })) return proposed
    return (await this.#readJson<{ size: number }>(path))?.size ?? 0
  }

  /** True for the one call that may write this slot. The slot of a process that died can be taken over. */
  async claim(folder: string, partNumber: number): Promise<boolean> {
    const path = `${folder}/claims/${partNumber}`
    const mine = ownerText(this.#context.newId())
    try {
      await this.#writeNew(path, mine)
      return true
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error
    }
    if (!isOwnerDead(await this.#context.fs.readFile(path, 'utf8'))) return false
    return this.#context.locks.hold(path, true, async () => {
      const whole = await this.part(folder, partNumber)
      if (whole !== undefined || !isOwnerDead(await this.#context.fs.readFile(path, 'utf8'))) return false
      const aside = `${folder}/${this.#context.newId()}`
      await this.#writeNew(aside, mine)
      await this.#context.fs.rename(aside, path)
      return true
    })
  }

  /** Whether no call can be writing into `data` any more: all claimed slots are whole, or their writers are dead. */
  async isQuiet(folder: string): Promise<boolean> {
    for (const name of await this.#context.fs.readdir(`${folder}/claims`)) {
      const record = await this.part(folder, Number(name))
      if (record !== undefined && record.file === undefined) continue
      if (!isOwnerDead(await this.#context.fs.readFile(`${folder}/claims/${name}`, 'utf8'))) return false
    }
    return true
  }

  /** Notes which file is about to become the object, so that a call after a crash knows whether it did. */
  async markPublishing(folder: string, etag: string): Promise<void> {
    const aside = `${folder}/${this.#context.newId()}`
    await this.#writeJson(aside, { etag })
    await this.#context.fs.rename(aside, `${folder}/publishing.json`)
  }

  async publishing(folder: string): Promise<string | undefined> {
    return (await this.#readJson<{ etag: string }>(`${folder}/publishing.json`))?.etag
  }

  /** Throws an upload away, in one step: no part can be added any more. */
  async remove(folder: string): Promise<void> {
    const aside = this.#context.place.work('tmp', this.#context.newId())
    await this.#context.fs.rename(folder, aside)
    await this.#context.fs.rm(aside, { recursive: true, force: true })
  }

  /** Records a part as whole, in place of an earlier one of its number. */
  async record(folder: string, record: PartRecord): Promise<void> {
    const aside = `${folder}/${this.#context.newId()}.json`
    await this.#writeJson(aside, record)
    await this.#context.fs.rename(aside, `${folder}/parts/${record.part.partNumber}.json`)
  }

  async part(folder: string, partNumber: number): Promise<PartRecord | undefined> {
    return this.#readJson<PartRecord>(`${folder}/parts/${partNumber}.json`)
  }

  /** All whole parts, by number. */
  async parts(folder: string): Promise<PartRecord[]> {
    const names = await this.#context.fs.readdir(`${folder}/parts`)
    const records = await Promise.all(names.map((name) => this.#readJson<PartRecord>(`${folder}/parts/${name}`)))
    return records.filter((record) => record !== undefined).sort((a, b) => a.part.partNumber - b.part.partNumber)
  }

  /** Unfinished uploads of exactly this key. */
  async list(key: string): Promise<{ uploadId: string; initiated: number }[]> {
    const hash = keyHash(key)
    const found: { uploadId: string; initiated: number }[] = []
    for (const name of await this.#uploadFolders()) {
      if (!name.startsWith(`${hash}-`)) continue
      const record = await this.#readJson<UploadRecord>(this.#context.place.work('uploads', name, 'upload.json'))
      if (record?.key === key) found.push({ uploadId: name.replace(/\.completing$/, ''), initiated: record.initiated })
    }
    return found.sort((a, b) => (a.uploadId < b.uploadId ? -1 : 1))
  }

  async #uploadFolders(): Promise<string[]> {
    try {
      return await this.#context.fs.readdir(this.#context.place.work('uploads'))
    } catch (error) {
      if (!isMissing(error)) throw error
      await this.#context.place.assertRoot()
      return []
    }
  }

  async #writeOnce(path: string, value: unknown): Promise<boolean> {
    const aside = `${path}.${this.#context.newId()}`
    await this.#writeJson(aside, value)
    // Under the shared lock a look and a rename are one step, also on disks without hard links.
    return this.#context.locks.hold(path, true, async () => {
      if ((await this.#readJson(path)) !== undefined) {
        await this.#context.fs.unlink(aside)
        return false
      }
      await this.#context.fs.rename(aside, path)
      return true
    })
  }

  async #writeJson(path: string, value: unknown): Promise<void> {
    await this.#writeNew(path, JSON.stringify(value))
  }

  async #writeNew(path: string, text: string): Promise<void> {
    const handle = await this.#context.fs.open(path, 'wx')
    try {
      await handle.writeFile(text)
      if (this.#context.flush) await handle.datasync()
    } finally {
      await handle.close()
    }
  }

  async #readJson<T>(path: string): Promise<T | undefined> {
    try {
      return JSON.parse(await this.#context.fs.readFile(path, 'utf8')) as T
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
  }
}

function keyHash(key: string): string {
  return createHash('sha256').update(key).digest('hex').slice(0, 24)
}

/** Ids come from callers and become names of folders: only what this class made for this key. */
function isUploadId(key: string, uploadId: string): boolean {
  return uploadId.startsWith(`${keyHash(key)}-`) && /^[0-9a-f]{24}-[0-9a-z]{1,64}$/.test(uploadId)
}
