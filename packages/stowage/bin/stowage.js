#!/usr/bin/env node
import { enableCompileCache } from 'node:module'
import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { setFlagsFromString } from 'node:v8'

// Short-lived objects get no more room than they have by now: more would be held for good, and saves next to no time. Before anything is
// loaded, since what is kept of a program counts for these flags alone.
setFlagsFromString('--semi-space-growth-factor=1')

// Node keeps the program as it compiled it, in the user's own folder: in one that others write to, they could change what is run.
const caches =
  process.env.XDG_CACHE_HOME ||
  (process.platform === 'win32'
    ? process.env.LOCALAPPDATA
    : join(homedir(), process.platform === 'darwin' ? 'Library/Caches' : '.cache'))
if (caches && isAbsolute(caches) && !process.env.NODE_COMPILE_CACHE) enableCompileCache(join(caches, 'stowage', 'node'))

const { main } = await import('../dist/cli.js')
process.exitCode = await main(process.argv.slice(2))
