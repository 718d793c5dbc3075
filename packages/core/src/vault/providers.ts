import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { StowageError } from '../errors/index.ts'
import { parseMasterKeys } from './key-text.ts'
import { localMasterKey, type MasterKey, type MasterKeyProvider } from './master-key.ts'

/** Far more than any number of keys needs. */
const MAX_FILE = 65_536

/**
 * Master keys from an environment variable: one key, or several as `2:KEY,1:KEY` while one replaces another.
 * @param env where the variable is looked up; by default the process's environment
 *
 * @example
 * ```ts
 * const vault = await openVault({ catalogId, keys: [envKey('STOWAGE_MASTER_KEY')] })
 * ```
 */
export function envKey(name: string, env: Record<string, string | undefined> = process.env): MasterKeyProvider {
  return {
    async load() {
      const text = env[name]
      if (text === undefined || text === '') {
        throw new StowageError('configuration', `The variable ${name} is not set; it holds the master key.`, {
          field: name,
          hint: 'Make a key with: openssl rand -base64 32',
        })
      }
      return toKeys(text, `The variable ${name}`, name)
    },
  }
}

/**
 * Master keys from a text that is at hand already, in the form of {@link envKey}.
 * @param origin what the text is, for errors, such as `vault.key`
 */
export function textKey(text: string, origin: string): MasterKeyProvider {
  return { load: async () => toKeys(text, origin, origin) }
}

/**
 * Master keys from a file, in the form of {@link envKey}, or one to a line.
 *
 * The file must be nobody else's: not readable by others, not writable by the group, and owned by this user or by root. A group may read
 * it, because that is how container platforms hand secrets to a process that is not root. (Not checked on Windows.)
 * @param onText told of the file's text, so that it can be kept out of what is printed
 */
export function fileKey(path: string, onText?: (text: string) => void): MasterKeyProvider {
  return {
    async load() {
      let file: FileHandle | undefined
      try {
        // Not to wait for a pipe's other end; that it is a file is checked on what was opened.
        file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
        await checkFile(file, path)
        const text = await file.readFile('utf8')
        onText?.(text)
        return toKeys(text, `The file ${path}`, path)
      } catch (error) {
        if (StowageError.isInstance(error)) throw error
        const reason = (error as NodeJS.ErrnoException).code ?? 'unknown'
        throw wrong(path, `cannot be read (${reason})`, 'Check the path and the rights of the file.', error)
      } finally {
        await file?.close()
      }
    },
  }
}

async function checkFile(file: FileHandle, path: string): Promise<void> {
  const found = await file.stat()
  if (!found.isFile()) throw wrong(path, 'is not a file')
  if (found.size > MAX_FILE) throw wrong(path, `is larger than ${MAX_FILE} bytes`)
  const user = process.getuid?.()
  if (user === undefined) return
  if ((found.mode & 0o007) !== 0) throw wrong(path, 'is open to others', `Run: chmod 600 ${path}`)
  if ((found.mode & 0o020) !== 0) throw wrong(path, 'can be written by its group', `Run: chmod 600 ${path}`)
  if (found.uid !== user && found.uid !== 0) throw wrong(path, 'belongs to another user')
}

function toKeys(text: string, origin: string, field: string): MasterKey[] {
  return [...parseMasterKeys(text, origin, field)].map(([version, bytes]) => localMasterKey(version, bytes))
}

function wrong(path: string, why: string, hint?: string, cause?: unknown): StowageError {
  return new StowageError('configuration', `The master key file ${path} ${why}.`, {
    field: path,
    ...(hint === undefined ? {} : { hint }),
    ...(cause === undefined ? {} : { cause }),
  })
}
