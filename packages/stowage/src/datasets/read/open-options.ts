import { StowageError } from '@stowage/core'

export interface OpenOptions {
  /** @defaultValue the newest */
  version?: number
  /** Bytes wanted from the stream. @defaultValue the whole file */
  range?: { start: number; length?: number }
  /**
   * Milliseconds that the stream may go without a byte while another source is left to read from. Time in which nobody reads does not
   * count. @defaultValue 3000
   */
  stallMs?: number
  /**
   * Blocks of 8 MiB that are fetched while the one before them is used, up to 32. All reads of a process together hold 128 MiB of them
   * at most; a read that finds no room goes on without. @defaultValue 1
   */
  readAhead?: number
  signal?: AbortSignal
}

/** The longest that a timer of the platform waits. */
const LONGEST_STALL = 2 ** 31 - 1

/** The most blocks ahead that are of use. */
const FARTHEST = 32

/** @throws StowageError `invalid-request` naming the option that is wrong */
export function checkOpenOptions({ stallMs, readAhead }: Pick<OpenOptions, 'stallMs' | 'readAhead'>): void {
  if (stallMs !== undefined && !(stallMs > 0 && stallMs <= LONGEST_STALL)) {
    throw new StowageError('invalid-request', 'The stall limit is not a number of milliseconds above 0.', {
      field: 'stallMs',
      hint: `Give at most ${LONGEST_STALL}, or leave it out for 3000.`,
    })
  }
  if (readAhead !== undefined && !(Number.isInteger(readAhead) && readAhead >= 0 && readAhead <= FARTHEST)) {
    throw new StowageError('invalid-request', 'The blocks to read ahead are not a whole number from 0.', {
      field: 'readAhead',
      hint: `Give at most ${FARTHEST}, or leave it out for 1.`,
    })
  }
}
