import { StowageError } from '@stowage/core'
import type * as z from 'zod'
import { type PolicyConfig, sourcesOf } from './policy-types.ts'
import { configSchema } from './schema.ts'
import { shielded } from './shield.ts'
import type { StowageConfig } from './types.ts'

/**
 * Checks a configuration: puts environment variables in, refuses unknown keys and clashing ids. Whether policies name sources that exist is
 * known once the catalog is open: see {@link checkPolicies}. What it returns shows its secrets neither on the console nor in JSON.
 *
 * @throws StowageError `configuration`, naming the field and what to do; nothing was touched
 */
export function parseConfig(input: unknown, env: Record<string, string | undefined> = process.env): StowageConfig {
  const parsed = configSchema.safeParse(resolveEnv(input, env, ''))
  if (!parsed.success) throw describe(parsed.error)
  const config = parsed.data as StowageConfig
  checkUnique(config.sources, 'sources')
  checkUnique(config.policies ?? [], 'policies')
  return shielded(config)
}

/** Refuses policies that name no source. @throws StowageError `configuration`, naming the field */
export function checkPolicies(policies: readonly PolicyConfig[], known: ReadonlySet<string>): void {
  for (const [i, policy] of policies.entries()) checkPolicy(policy, `policies[${i}]`, known)
}

/** Replaces every `{"env": "NAME"}` by the variable's value. */
function resolveEnv(value: unknown, env: Record<string, string | undefined>, path: string): unknown {
  if (Array.isArray(value)) return value.map((item, i) => resolveEnv(item, env, `${path}[${i}]`))
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value)
  const [first] = entries
  if (entries.length === 1 && first !== undefined && first[0] === 'env' && typeof first[1] === 'string') {
    const found = env[first[1]]
    if (found === undefined || found === '') {
      throw new StowageError('configuration', `${path} needs the environment variable ${first[1]}, which is not set.`, {
        field: path,
        hint: `Set ${first[1]}, or write the value in its place.`,
      })
    }
    return found
  }
  return Object.fromEntries(
    entries.map(([key, item]) => [key, resolveEnv(item, env, path === '' ? key : `${path}.${key}`)]),
  )
}

function describe(error: z.ZodError): StowageError {
  const [issue] = error.issues
  if (issue === undefined) return new StowageError('configuration', 'The configuration is not valid.')
  const path = formatPath(issue.path)
  if (issue.code === 'unrecognized_keys') {
    const field = issue.keys.map((key) => (path === '' ? key : `${path}.${key}`)).join(', ')
    return new StowageError('configuration', `Unknown key in the configuration: ${field}.`, {
      field,
      hint: 'Remove it, or correct its spelling.',
    })
  }
  const field = path === '' ? 'the configuration' : path
  return new StowageError('configuration', `${field}: ${issue.message}`, {
    field,
    hint: 'Correct it in the configuration.',
  })
}

function formatPath(path: readonly PropertyKey[]): string {
  let text = ''
  for (const step of path)
    text += typeof step === 'number' ? `[${step}]` : text === '' ? String(step) : `.${String(step)}`
  return text
}

function checkUnique(items: readonly { id: string }[], list: string): void {
  const seen = new Set<string>()
  for (const [i, item] of items.entries()) {
    if (seen.has(item.id)) {
      throw new StowageError('configuration', `${list}[${i}].id: "${item.id}" is used twice.`, {
        field: `${list}[${i}].id`,
        hint: 'Give each an id of its own.',
      })
    }
    seen.add(item.id)
  }
}

/** Refuses a policy that names no source. @param path what messages call it @throws StowageError `configuration`, naming the field */
export function checkPolicy(policy: PolicyConfig, path: string, known: ReadonlySet<string>): void {
  for (const { field, id } of sourcesOf(policy)) {
    if (known.has(id)) continue
    throw new StowageError('configuration', `${path}.${field}: there is no source "${id}".`, {
      field: `${path}.${field}`,
      hint: `Known sources: ${[...known].join(', ')}.`,
    })
  }
}
