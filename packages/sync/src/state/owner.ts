import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

/** A process, so that another one on the same machine can tell whether it still lives. */
export interface ProcessIdentity {
  /** The machine's name. */
  host: string
  /** Changes when the machine starts again; with the process namespace, since process ids only mean something within one. */
  bootId: string
  pid: number
  /** When the process was started, in the kernel's own units; process ids are used again. */
  startTime: string
}

/** Who runs, and how to tell whether another runner is dead. */
export interface Owner {
  readonly identity: ProcessIdentity
  /** True only when it is certain that this process is gone. */
  isDead(other: ProcessIdentity): boolean
}

let own: ProcessIdentity | undefined

/** This process. */
export const processOwner: Owner = {
  get identity() {
    own ??= { host: hostname(), bootId: bootId(), pid: process.pid, startTime: startTime(process.pid) ?? '' }
    return own
  },
  isDead(other) {
    const me = this.identity
    if (other.host !== me.host || other.bootId !== me.bootId || me.bootId === '') return false
    if (other.pid === me.pid && other.startTime === me.startTime) return false
    if (me.startTime !== '') return startTime(other.pid) !== other.startTime
    try {
      process.kill(other.pid, 0)
      return false
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'ESRCH'
    }
  },
}

function bootId(): string {
  try {
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${readlinkSync('/proc/self/ns/pid')}`
  } catch {
    return process.platform === 'linux' ? '' : process.platform
  }
}

/** Field 22 of /proc/PID/stat. The second field is the program's name in brackets and may hold anything, so count from its end. */
function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    // A zombie is dead: it only waits for its parent to notice.
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19]
  } catch {
    return undefined
  }
}
