/**
 * Every secret of the tests has the marker of the run in it: text that chance gives to nobody else. Whatever a run prints is searched for
 * it, so one search finds them all.
 */
import { createHash, randomBytes } from 'node:crypto'

const markerVariable = 'STOWAGE_TEST_MARKER'

/** What the stores take: MinIO's secret keys have 8 to 40 characters. */
const longest = 40

const alphabet = 'abcdefghijklmnopqrstuvwxyz0123456789'

/** Chooses the marker of a run, for this process and those that it starts. */
export function chooseMarker(): string {
  // 62 bits of chance, in letters that are the same in a URL, in JSON and in XML.
  const marker = Array.from(randomBytes(12), (byte) => alphabet[byte % alphabet.length]).join('')
  process.env[markerVariable] = marker
  return marker
}

/** The marker of this run; outside of a run, of this process. */
export function runMarker(): string {
  return process.env[markerVariable] ?? chooseMarker()
}

/**
 * A secret for tests, with the marker of the run in it: the same for the same name. Fit for a secret key, a password or a token.
 * @param name up to 27 characters
 */
export function testSecret(name: string): string {
  const secret = `${runMarker()}-${name}`
  if (secret.length > longest) throw new Error(`the secret "${name}" is ${secret.length - longest} characters too long`)
  return secret
}

/** 32 bytes for tests, with the marker of the run in them: fit for a master key, in base64 or in hexadecimal. */
export function testKey(name: string): Buffer {
  const chance = createHash('sha256').update(`${runMarker()} ${name}`).digest()
  return Buffer.concat([Buffer.from(runMarker()), chance]).subarray(0, 32)
}
