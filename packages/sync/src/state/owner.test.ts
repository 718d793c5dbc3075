import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { processOwner } from './owner.ts'

const linux = process.platform === 'linux'

describe('the owner of a lease', () => {
  it('is not dead while it is this process, nor when it is on another machine or of another boot', () => {
    const me = processOwner.identity
    expect(processOwner.isDead(me)).toBe(false)
    expect(processOwner.isDead({ ...me, host: 'elsewhere', pid: 1 })).toBe(false)
    expect(processOwner.isDead({ ...me, bootId: 'another', pid: 2 ** 22 + 1 })).toBe(false)
  })

  it.runIf(linux)('is dead when its process is gone, or another one has its id by now', async () => {
    const me = processOwner.identity
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' })
    try {
      const pid = child.pid ?? 0
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      const startTime = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
      expect(processOwner.isDead({ ...me, pid, startTime })).toBe(false)
      expect(processOwner.isDead({ ...me, pid, startTime: `${startTime}1` })).toBe(true)
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
      expect(processOwner.isDead({ ...me, pid, startTime })).toBe(true)
    } finally {
      child.kill('SIGKILL')
    }
  })
})
