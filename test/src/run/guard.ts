/**
 * Nothing outlives the process that started it. A guard is a shell that waits on a pipe from its owner: when the owner ends,
 * in whatever way (`SIGKILL` too), the pipe closes, and the guard kills its command and removes its folder.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { searchLog } from '../secrets/found.ts'

const commandGuard = `
exec 3<&0
log=$1; shift
"$@" </dev/null >>"$log" 2>&1 3<&- &
child=$!
echo "$child"
{ cat <&3 >/dev/null; kill -KILL "$child"; } 2>/dev/null &
watcher=$!
wait "$child"
status=$?
kill "$watcher" 2>/dev/null
exit "$status"
`

// The owner's other children may still write for a moment, so that one removal is not enough.
const folderGuard = `
cat >/dev/null
for wait in 0 0.2 0.5 1 2 4; do
  sleep "$wait"
  rm -rf "$1" 2>/dev/null
  [ -e "$1" ] || exit 0
done
`

function startGuard(script: string, args: readonly string[], env: NodeJS.ProcessEnv): ChildProcess {
  // A group of its own: Ctrl-C on the terminal ends the owner, and the guard tidies up after it.
  const guard = spawn('/bin/sh', ['-c', script, 'guard', ...args], {
    detached: true,
    env,
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  for (const stream of [guard.stdin, guard.stdout]) stream?.on('error', () => {})
  return guard
}

/** Lets the owner end while its guard is there. */
function release(guard: ChildProcess): void {
  guard.unref()
  for (const stream of [guard.stdin, guard.stdout]) (stream as Socket | null)?.unref()
}

/** A command that runs until it ends, is stopped, or its owner is gone. */
export interface GuardedProcess {
  readonly pid: number
  /** True until the command has ended. */
  readonly running: boolean
  /** Resolves with the exit code, 128 + n for signal n. */
  readonly exited: Promise<number>
  /** Sends `signal` (`SIGTERM` unless told), `SIGKILL` after `graceMs`, and waits for the end. */
  end(signal?: NodeJS.Signals, graceMs?: number): Promise<void>
}

export interface GuardedProcessOptions {
  readonly env?: NodeJS.ProcessEnv
  /** File that receives what the command prints. */
  readonly log: string
}

/** Starts a command that does not outlive this process. */
export async function startGuarded(
  command: string,
  args: readonly string[],
  { env = process.env, log }: GuardedProcessOptions,
): Promise<GuardedProcess> {
  const guard = startGuard(commandGuard, [log, command, ...args], env)
  let running = true
  const exited = new Promise<number>((resolve, reject) => {
    guard.once('error', reject)
    guard.once('exit', (code) => {
      running = false
      guard.stdin?.destroy()
      searchLog(log)
      resolve(code ?? 1)
    })
  })
  const pid = await new Promise<number>((resolve, reject) => {
    guard.once('error', reject)
    guard.stdout?.once('data', (line: Buffer) => resolve(Number(line.toString())))
    guard.stdout?.once('end', () => reject(new Error(`${command} could not be started`)))
  })
  release(guard)
  return {
    pid,
    exited,
    get running() {
      return running
    },
    async end(signal = 'SIGTERM', graceMs = 5_000) {
      if (!running) return
      guard.ref()
      process.kill(pid, signal)
      const timer = setTimeout(() => running && process.kill(pid, 'SIGKILL'), graceMs)
      await exited
      clearTimeout(timer)
    },
  }
}

const folderVariable = 'STOWAGE_TEST_RUN_DIR'

/** A folder for everything that a run writes. */
export interface RunFolder {
  readonly path: string
  remove(): void
}

/** Makes a folder that is removed with its owner, and tells this process and its children of it. */
export function createRunFolder(): RunFolder {
  const path = mkdtempSync(join(tmpdir(), 'stowage-test-'))
  const guard = startGuard(folderGuard, [path], process.env)
  release(guard)
  process.env[folderVariable] = path
  return {
    path,
    remove() {
      rmSync(path, { recursive: true, force: true, maxRetries: 5 })
      guard.stdin?.destroy()
      delete process.env[folderVariable]
    },
  }
}

/** The folder of this run; outside of a run, one that is removed when this process ends. */
export function runFolder(): string {
  return process.env[folderVariable] ?? createRunFolder().path
}
