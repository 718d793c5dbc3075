import { type Checksum, isChecksum, runningChecksum, StowageError } from '@stowage/core'
import { assertSupported, type Called } from './calls.ts'

/** Checks a checksum as the bytes pass. */
export interface ChecksumCheck {
  update(chunk: Uint8Array): void
  /** @throws StowageError `integrity` when the bytes had another checksum */
  finish(): void
}

/** Refuses what cannot be a checksum of its algorithm. @throws StowageError `invalid-request` */
export function assertChecksum(adapter: Called, checksum: Checksum): void {
  if (isChecksum(checksum)) return
  const { algorithm } = checksum
  throw new StowageError('invalid-request', `${adapter.id}: checksum.value is no ${algorithm} in base64.`, {
    sourceId: adapter.id,
    field: 'checksum.value',
    hint: 'Give the base64 of its big-endian bytes.',
  })
}

/**
 * A check that computes the checksum here.
 * @throws StowageError `not-supported` for an algorithm that is not declared, `invalid-request` for what cannot be such a checksum
 */
export function checksumCheck(adapter: Called, key: string, checksum: Checksum): ChecksumCheck {
  const { algorithm } = checksum
  assertSupported(adapter, adapter.capabilities.checksums.includes(algorithm), `the checksum ${algorithm}`)
  assertChecksum(adapter, checksum)
  const digest = runningChecksum(checksum.algorithm)
  return {
    update: (chunk) => digest.update(chunk),
    finish: () => {
      if (digest.value() !== checksum.value) throw wrongChecksum(adapter, key, checksum.algorithm)
    },
  }
}

/** The error for bytes that are not those the caller named. */
export function wrongChecksum(adapter: Called, key: string, algorithm: string, cause?: unknown): StowageError {
  return new StowageError(
    'integrity',
    `${adapter.id}: the bytes of ${JSON.stringify(key)} do not have the given ${algorithm}.`,
    {
      key,
      sourceId: adapter.id,
      ...(cause === undefined ? {} : { cause }),
    },
  )
}
