import { hostname } from 'node:os'
import { errnoOf } from '@stowage/core'

/** Which process made a file. */
interface Owner {
  host: string
  pid: number
  /** When that process started: in a container every process has the same id. */
  started: number
  id: string
}

const started = Math.round(performance.timeOrigin)

/** What a file that marks something as ours holds. `id` tells two files of one process apart. */
export function ownerText(id: string): string {
  const owner: Owner = { host: hostname(), pid: process.pid, started, id }
  return JSON.stringify(owner)
}

/** Whether the process that made a file is surely dead. Of another machine's process, and while the file is written, it cannot be said. */
export function isOwnerDead(text: string): boolean {
  let owner: Owner
  try {
    owner = JSON.parse(text) as Owner
  } catch {
    return false
  }
  if (owner.host !== hostname()) return false
  return owner.pid === process.pid ? owner.started !== started : !isAlive(owner.pid)
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return errnoOf(error) === 'EPERM'
  }
}
