import { type DiagnoseOptions, type Diagnosis, errnoOf, type ProbeResult, StowageError } from '@stowage/core'
import { diagnoseWithin, type Findings } from '../shared/findings.ts'
import type { Context } from './context.ts'
import { mapFsError } from './errors.ts'
import { discard, openTemporary } from './stage.ts'

const gibibyte = 1024 ** 3
/** Longest part of a key that the adapter promises, in bytes. */
const longestName = 255

/** Looks at a folder and the disk that it lies on. */
export function diagnoseFolder(
  context: Context,
  probe: (options: { signal: AbortSignal; write: boolean }) => Promise<ProbeResult>,
  options: DiagnoseOptions,
): Promise<Diagnosis> {
  const write = options.write ?? true
  return diagnoseWithin(context.clock, options, async (findings, diagnosis, signal) => {
    if (!(await examineRoot(context, findings))) return
    const result = await probe({ signal, write })
    findings.probed(result)
    diagnosis.permissions = {
      list: true,
      get: result.ok,
      ...(result.writable === undefined ? {} : { put: result.writable, delete: result.writable }),
    }
    await examineSpace(context, findings)
    if (result.writable !== true) return
    await examineDevice(context, findings)
    await examineNames(context, findings)
  })
}

async function examineRoot({ adapter, place }: Context, findings: Findings): Promise<boolean> {
  try {
    await place.assertRoot()
    findings.add('ok', 'root', `The folder ${place.root} is there.`)
    return true
  } catch (error) {
    const { message, hint } = mapFsError(adapter, error, 'the root')
    findings.add('error', 'root', message, hint)
    return false
  }
}

async function examineSpace({ adapter, fs, place }: Context, findings: Findings): Promise<void> {
  try {
    const { bavail, blocks, bsize } = await fs.statfs(place.root)
    const [free, total] = [bavail * bsize, blocks * bsize]
    const said = `${(free / gibibyte).toFixed(1)} GiB of ${(total / gibibyte).toFixed(1)} GiB are free.`
    if (free >= gibibyte && free >= total / 20) findings.add('ok', 'free-space', said)
    else findings.add(free === 0 ? 'error' : 'warning', 'free-space', said, 'Free some space, or use a larger disk.')
  } catch (error) {
    findings.failed('free-space', 'The free space', mapFsError(adapter, error, 'the free space'))
  }
}

/** Writes are a rename out of the work folder, which no disk does from another one. */
async function examineDevice({ adapter, fs, place }: Context, findings: Findings): Promise<void> {
  try {
    const [root, work] = await Promise.all([fs.stat(place.root), fs.stat(place.work('tmp'))])
    if (root.dev === work.dev) {
      findings.add('ok', 'work-folder', 'Temporary files lie on the same file system as the objects.')
      return
    }
    const message = `${place.work('tmp')} lies on another file system than the root: nothing can be written whole.`
    findings.add('error', 'work-folder', message, 'Take away the mount or link at the work folder.')
  } catch (error) {
    findings.failed('work-folder', 'The work folder', mapFsError(adapter, error, 'the work folder'))
  }
}

async function examineNames(context: Context, findings: Findings): Promise<void> {
  const id = context.newId()
  if (await isThere(context, `${id}-Case-\u00e9`, [`${id}-case-\u00e9`, `${id}-Case-e\u0301`])) {
    const message = 'The disk ignores case or the form of accents: "A" and "a" are one name to it.'
    findings.add('warning', 'case-folding', message, 'Objects whose names differ only so are refused here.')
  } else findings.add('ok', 'case-folding', 'The disk keeps names apart that differ in case.')
  try {
    await isThere(context, id.padEnd(longestName, 'x'), [])
    findings.add('ok', 'name-length', `Names may be ${longestName} bytes long.`)
  } catch (error) {
    if (errnoOf(error) !== 'ENAMETOOLONG') throw mapFsError(context.adapter, error, 'a long name')
    const message = `The disk takes no names of ${longestName} bytes.`
    findings.add('warning', 'name-length', message, 'Encrypted folders shorten names; such objects are refused here.')
  }
}

/** Makes a temporary file of this name, and says whether it is found under another spelling. */
async function isThere(context: Context, name: string, spellings: readonly string[]): Promise<boolean> {
  const { fs, place } = context
  const { handle, path } = await openTemporary(context, name)
  try {
    await handle.close()
    for (const spelling of spellings) {
      const found = await fs.lstat(place.work('tmp', spelling)).then(
        () => true,
        (error: unknown) => {
          if (errnoOf(error) === undefined)
            throw new StowageError('internal', 'A name could not be looked for.', { cause: error })
          return false
        },
      )
      if (found) return true
    }
    return false
  } finally {
    await discard(context, path)
  }
}
