import { StowageError, sourceTypes } from '@stowage/core'
import * as z from 'zod'
import { routePurposes } from '../request.ts'

const name = z.string().min(1)

/** One value or several; several when parsed. */
function oneOrMore<T extends z.ZodType>(value: T): z.ZodType<z.output<T>[]> {
  return z.preprocess((input) => (Array.isArray(input) ? input : [input]), z.array(value).min(1)) as z.ZodType<
    z.output<T>[]
  >
}

const labels = z.record(name, oneOrMore(z.string()))

export interface ParsedMatch {
  id?: string[] | undefined
  type?: string[] | undefined
  region?: string[] | undefined
  isPublic?: boolean | undefined
  sameRegion?: boolean | undefined
  labels?: Record<string, string[]> | undefined
  all?: ParsedMatch[] | undefined
  any?: ParsedMatch[] | undefined
  not?: ParsedMatch | undefined
}

const match: z.ZodType<ParsedMatch> = z.lazy(() =>
  z.strictObject({
    id: oneOrMore(name).optional(),
    type: oneOrMore(z.enum(sourceTypes)).optional(),
    region: oneOrMore(name).optional(),
    isPublic: z.boolean().optional(),
    sameRegion: z.boolean().optional(),
    labels: labels.optional(),
    all: z.array(match).min(1).optional(),
    any: z.array(match).min(1).optional(),
    not: match.optional(),
  }),
)

export interface ParsedCondition {
  purpose?: string[] | undefined
  userType?: string[] | undefined
  userId?: string[] | undefined
  workspaceId?: string[] | undefined
  region?: (string | null)[] | undefined
  node?: string[] | undefined
  nodeLabels?: Record<string, string[]> | undefined
  datasetId?: string[] | undefined
  tag?: string[] | undefined
  minSize?: number | undefined
  maxSize?: number | undefined
  source?: ParsedMatch | undefined
  all?: ParsedCondition[] | undefined
  any?: ParsedCondition[] | undefined
  not?: ParsedCondition | undefined
}

const condition: z.ZodType<ParsedCondition> = z.lazy(() =>
  z.strictObject({
    purpose: oneOrMore(z.enum(routePurposes as ['read', ...string[]])).optional(),
    userType: oneOrMore(z.enum(['external', 'internal'])).optional(),
    userId: oneOrMore(name).optional(),
    workspaceId: oneOrMore(name).optional(),
    region: oneOrMore(name.nullable()).optional(),
    node: oneOrMore(name).optional(),
    nodeLabels: labels.optional(),
    datasetId: oneOrMore(name).optional(),
    tag: oneOrMore(name).optional(),
    minSize: z.number().nonnegative().optional(),
    maxSize: z.number().nonnegative().optional(),
    source: match.optional(),
    all: z.array(condition).min(1).optional(),
    any: z.array(condition).min(1).optional(),
    not: condition.optional(),
  }),
)

/** Ids in their order, or a match. */
export type ParsedSelector = string[] | ParsedMatch

const ids = oneOrMore(name)

// Not a union: its errors would only say that nothing fits, and not which field is wrong.
const selector: z.ZodType<ParsedSelector> = z.unknown().transform((input, context): ParsedSelector => {
  const parsed = typeof input === 'string' || Array.isArray(input) ? ids.safeParse(input) : match.safeParse(input)
  if (parsed.success) return parsed.data
  for (const issue of parsed.error.issues)
    context.addIssue({ code: 'custom', message: issue.message, path: issue.path })
  return z.NEVER
})

const effect = z
  .strictObject({
    prefer: selector.optional(),
    tieBreak: selector.optional(),
    require: selector.optional(),
    exclude: selector.optional(),
    permit: selector.optional(),
    weight: z.record(name, z.number().nonnegative()).optional(),
    residency: oneOrMore(name).optional(),
    spill: z
      .strictObject({ healthy: z.number().positive().max(1).optional(), load: z.number().positive().optional() })
      .optional(),
    choose: z.enum(['stable', 'two']).optional(),
  })
  .refine((then) => Object.values(then).some((value) => value !== undefined), { message: 'has no effect' })

const rule = z.strictObject({
  id: name,
  priority: z.number().default(100),
  enabled: z.boolean().default(true),
  when: condition.default({}),
  then: effect,
})

const routing = z.strictObject({
  rules: z.array(rule).default([]),
  defaults: z.boolean().default(true),
  panic: z.enum(['reads', 'never']).default('reads'),
})

/** A rule with everything filled in. */
export interface ParsedRule {
  id: string
  priority: number
  enabled: boolean
  when: ParsedCondition
  then: {
    prefer?: ParsedSelector | undefined
    tieBreak?: ParsedSelector | undefined
    require?: ParsedSelector | undefined
    exclude?: ParsedSelector | undefined
    permit?: ParsedSelector | undefined
    weight?: Record<string, number> | undefined
    residency?: string[] | undefined
    spill?: { healthy?: number | undefined; load?: number | undefined } | undefined
    choose?: 'stable' | 'two' | undefined
  }
}

/** Routing with everything filled in. */
export interface ParsedRouting {
  rules: ParsedRule[]
  defaults: boolean
  panic: 'reads' | 'never'
}

/** Deeper than any rule that a person could read; what refers to itself, as a program's objects can, is deeper still. */
const MAX_DEPTH = 32

function shallow(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return true
  return levels > 0 && Object.values(value).every((part) => shallow(part, levels - 1))
}

/** @throws StowageError `configuration` that names the rule and the field */
export function parseRouting(input: unknown): ParsedRouting {
  const whole = input === undefined ? {} : Array.isArray(input) ? { rules: input } : input
  if (!shallow(whole, MAX_DEPTH))
    throw badField('', `Routing: the rules are nested more than ${MAX_DEPTH} levels deep.`)
  const parsed = routing.safeParse(whole)
  if (!parsed.success) throw badRules(whole, parsed.error.issues)
  const seen = new Set<string>()
  for (const [i, { id }] of parsed.data.rules.entries()) {
    if (seen.has(id)) throw badField(`rules[${i}].id`, `Rule "${id}": there are two rules of this id.`)
    seen.add(id)
  }
  return parsed.data
}

function badRules(input: unknown, issues: readonly z.core.$ZodIssue[]): StowageError {
  const [issue] = issues
  const unknown = issue?.code === 'unrecognized_keys' ? issue.keys[0] : undefined
  const path = [...(issue?.path ?? []), ...(unknown === undefined ? [] : [unknown])]
  const wrong = unknown === undefined ? (issue?.message ?? 'is wrong') : 'there is no such field'
  const more = issues.length > 1 ? ` (and ${issues.length - 1} more)` : ''
  const [top, index, ...rest] = path
  if (top !== 'rules' || typeof index !== 'number') {
    return badField(dotted(path), `Routing: ${dotted(path) || 'the whole'}: ${wrong}${more}`)
  }
  const id = (input as { rules: { id?: unknown }[] }).rules[index]?.id
  const who = typeof id === 'string' ? `Rule "${id}"` : `Rule number ${index + 1}`
  return badField(dotted(path), `${who}: ${dotted(rest) || 'the whole'}: ${wrong}${more}`)
}

function badField(field: string, message: string): StowageError {
  return new StowageError('configuration', message, {
    field,
    hint: 'Correct the rule; until then the rules before it stay in force.',
  })
}

function dotted(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`
    return text === '' ? String(part) : `${text}.${String(part)}`
  }, '')
}
