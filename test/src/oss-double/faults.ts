import type { OssErrorCode } from './errors.ts'
import type { OssRequest } from './request.ts'

/** Something that goes wrong on purpose. */
export interface OssFault {
  /** Which requests it befalls. @defaultValue all */
  readonly match?: (request: { method: string; key: string; asks(name: string): boolean }) => boolean
  /** How many of them. @defaultValue 1 */
  readonly times?: number
  /**
   * What happens: an error, the connection cut before anything is done, the connection cut after it was done (the answer is lost), the
   * body of the answer cut in half, one byte of the stored or of the answered bytes flipped behind the checksum's back.
   */
  readonly fault:
    | { readonly error: OssErrorCode; readonly status?: number; readonly headers?: Readonly<Record<string, string>> }
    | 'reset'
    | 'lost-answer'
    | 'truncated'
    | 'flipped'
}

/** The faults that are to come, in the order in which they were asked for. */
export class Faults {
  readonly #waiting: { fault: OssFault; left: number }[] = []

  add(fault: OssFault): void {
    this.#waiting.push({ fault, left: fault.times ?? 1 })
  }

  /** The fault of this request, if it has one. */
  take(request: OssRequest, key: string): OssFault['fault'] | undefined {
    const asked = { method: request.method, key, asks: (name: string) => request.asks(name) }
    const found = this.#waiting.find(({ fault, left }) => left > 0 && (fault.match?.(asked) ?? true))
    if (found === undefined) return undefined
    found.left--
    return found.fault.fault
  }
}
