#!/usr/bin/env node
import * as nodeModule from 'node:module'
import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { setFlagsFromString } from 'node:v8'

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(`stowage: needs Node 22.18 or later; this is ${process.versions.node} (${process.execPath}).\n`)
  process.exit(2)
}

// Node keeps the program as it compiled it, in the user's own folder: in one that others write to, they could change what is run.
const caches =
  process.env.XDG_CACHE_HOME ||
  (process.platform === 'win32'
    ? process.env.LOCALAPPDATA
    : join(homedir(), process.platform === 'darwin' ? 'Library/Caches' : '.cache'))
if (caches && isAbsolute(caches) && !process.env.NODE_COMPILE_CACHE)
  nodeModule.enableCompileCache(join(caches, 'stowage', 'node'))

const { main } = await import('../dist/cli.js')
// Short-lived objects get no more room than they have by now: more would be held for good, and saves next to no time. Not before the program is
// loaded: with the little that they begin with, objects that are under way for a moment would be taken for such that stay.
setFlagsFromString('--semi-space-growth-factor=1')
// Long-lived ones are looked through when they have doubled: by itself Node lets a small heap grow to four times what is in use, and the more so the
// busier the computer is.
setFlagsFromString('--heap-growing-percent=100')
process.exitCode = await main(process.argv.slice(2))
