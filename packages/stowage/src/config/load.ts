import { readFile, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { StowageError } from '@stowage/core'
import { parseConfig } from './parse.ts'
import { shielded } from './shield.ts'
import type { StowageConfig } from './types.ts'

const names = ['stowage.config.json', 'stowage.config.mjs', 'stowage.config.ts']

/**
 * Reads a configuration file: the one named, or the first of `stowage.config.json`, `.mjs`, `.ts` in the directory.
 * Relative paths in it (folder roots, the catalog) are relative to the file.
 *
 * @throws StowageError `configuration` when there is none or it is wrong
 */
export async function loadConfig(options: {
  path?: string
  directory: string
  env?: Record<string, string | undefined>
}): Promise<StowageConfig> {
  const path = options.path === undefined ? await find(options.directory) : resolve(options.directory, options.path)
  const config = parseConfig(await read(path), options.env)
  const base = dirname(path)
  return shielded({
    ...config,
    sources: config.sources.map((source) => ({
      ...source,
      ...(source.root === undefined ? {} : { root: resolve(base, source.root) }),
      ...(source.tls?.ca === undefined ? {} : { tls: { ca: resolve(base, source.tls.ca) } }),
    })),
    catalog: locateCatalog(config, base),
    ...(config.queue?.type === 'bullmq' && config.queue.tls?.ca !== undefined
      ? { queue: { ...config.queue, tls: { ca: resolve(base, config.queue.tls.ca) } } }
      : {}),
    ...(config.routing?.rulesFile === undefined
      ? {}
      : { routing: { ...config.routing, rulesFile: resolve(base, config.routing.rulesFile) } }),
    ...(config.vault?.keyFile === undefined
      ? {}
      : { vault: { ...config.vault, keyFile: resolve(base, config.vault.keyFile) } }),
  })
}

function locateCatalog(config: StowageConfig, base: string): NonNullable<StowageConfig['catalog']> {
  const catalog = config.catalog ?? { type: 'sqlite', path: './.stowage/catalog.db' }
  if (catalog.type === 'sqlite') return { ...catalog, path: resolve(base, catalog.path) }
  if (catalog.type !== 'postgres' || catalog.tls?.ca === undefined) return catalog
  return { ...catalog, tls: { ca: resolve(base, catalog.tls.ca) } }
}

async function find(directory: string): Promise<string> {
  for (const name of names) {
    const path = resolve(directory, name)
    const found = await stat(path).catch(() => undefined)
    if (found?.isFile()) return path
  }
  throw new StowageError('configuration', `There is no ${names[0]} in ${directory}.`, {
    hint: 'Create one, or name another file with --config PATH.',
  })
}

async function read(path: string): Promise<unknown> {
  try {
    if (!path.endsWith('.json')) {
      const module = (await import(pathToFileURL(path).href)) as { default?: unknown }
      if (module.default === undefined) throw new Error('it has no default export')
      return module.default
    }
    return JSON.parse(await readFile(path, 'utf8'))
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause)
    const isSyntax = cause instanceof Error && cause.name === 'SyntaxError'
    const message = isSyntax ? withoutQuotes(text) : text.split('\n')[0]
    throw new StowageError('configuration', `The configuration ${path} cannot be read: ${message}`, {
      ...(isSyntax || quotesSource(cause) ? {} : { cause }),
      hint: 'Correct the file, or name another with --config PATH.',
    })
  }
}

/** What a parser says, without the piece that it quotes: that may be a secret. */
function withoutQuotes(message: string): string {
  return message.replace(/["'`].*["'`]/s, '…')
}

/** Whether an error shows lines of the file, as compilers do, in its message or above its stack. */
function quotesSource(cause: unknown): boolean {
  return !(cause instanceof Error) || cause.message.includes('\n') || !/^\w*Error\b/.test(cause.stack ?? '')
}
