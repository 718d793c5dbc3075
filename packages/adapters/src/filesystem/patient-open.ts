import { type Clock, errnoOf, type FileSystem } from '@stowage/core'

const openRetries = 8

/** Waits and tries again when the process has no file descriptor left: others give theirs back. */
export function withPatientOpen(fs: FileSystem, clock: Clock): FileSystem {
  const open: FileSystem['open'] = async (...args) => {
    for (let attempt = 0; ; attempt++) {
      try {
        return await fs.open(...args)
      } catch (error) {
        const code = errnoOf(error)
        if ((code !== 'EMFILE' && code !== 'ENFILE') || attempt === openRetries) throw error
        await clock.sleep(5 * 2 ** attempt)
      }
    }
  }
  return { ...fs, open }
}
