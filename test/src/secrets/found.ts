/** What was printed though it is secret: a file in the run's folder that all processes of the run write. */
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { type Form, findSecret } from './search.ts'

function fileIn(folder: string): string {
  return join(folder, 'printed-secrets')
}

/** Notes that a secret was found. @param place who printed it where: it has no secret itself */
export function noteSecret(place: string, form: Form): void {
  const folder = process.env['STOWAGE_TEST_RUN_DIR']
  const line = `${place} printed a secret (${form})`
  if (folder === undefined) process.emitWarning(line)
  else appendFileSync(fileIn(folder), `${line}\n`)
}

/** Everything that was noted in the run of this folder, each once. */
export function notedSecrets(folder: string | undefined): string[] {
  if (folder === undefined || !existsSync(fileIn(folder))) return []
  return [...new Set(readFileSync(fileIn(folder), 'utf8').split('\n'))].filter((line) => line !== '')
}

/** Searches what a server of the tests has logged so far. A log that is gone has been searched before. */
export function searchLog(path: string): void {
  if (!existsSync(path)) return
  const form = findSecret(readFileSync(path, 'utf8'))
  if (form !== undefined) noteSecret(`the log ${basename(dirname(path))}/${basename(path)}`, form)
}
