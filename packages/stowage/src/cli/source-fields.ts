import { StowageError, sourceTypes } from '@stowage/core'
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { SourceConfig } from '../config/index.ts'
import { collect } from './parse.ts'

/** What of a source the command line can say. */
export interface SourceFlags {
  name?: string
  endpoint?: string
  bucket?: string
  region?: string
  root?: string
  priority?: number
  weight?: number
  public?: boolean
  allowPrivateNetwork?: boolean
  allowPlainHttp?: boolean
  set?: string[]
}

/** Adds the options that `source add` and `source update` share. */
export function sourceFieldOptions(command: Command): Command {
  return command
    .option('--name <text>', 'a name for people')
    .option('--endpoint <url>', 'base URL of the store')
    .option('--bucket <name>', 'the bucket')
    .option('--region <region>', 'where it stands')
    .option('--root <path>', 'the folder of a filesystem source, absolute')
    .option('--priority <number>', 'a smaller number is tried first', parseWhole)
    .option('--weight <number>', 'its share among equals', parseWeight)
    .option('--public', 'reachable by external users')
    .option('--no-public', 'not reachable by external users')
    .option('--allow-private-network', 'its address may lie in a private network')
    .option('--allow-plain-http', 'http: to another machine; contents can be read on the way')
    .option('--set <field=json>', 'any other field, such as --set pathStyle=true or --set limits=null', collect)
}

/** The option that names a type. */
export function typeOption(): Option {
  return new Option('--type <type>', 'the kind of store').choices(sourceTypes).makeOptionMandatory()
}

/** The fields that the options name. @throws StowageError `configuration` for a `--set` that is not of its form */
export function fieldsOf(flags: SourceFlags): Partial<Omit<SourceConfig, 'id' | 'type'>> {
  const { name, endpoint, bucket, region, root, priority, weight, allowPrivateNetwork, allowPlainHttp } = flags
  const named = {
    name,
    endpoint,
    bucket,
    region,
    root,
    priority,
    weight,
    isPublic: flags.public,
    allowPrivateNetwork,
    allowPlainHttp,
  }
  const given = Object.entries(named).filter(([, value]) => value !== undefined)
  return Object.fromEntries([...given, ...(flags.set ?? []).map(parseSet)])
}

/** Fields that would put a secret among the arguments, where other users can read it. */
const secret = /^(?:accessKey|secretKey|sessionToken)$/

function parseSet(text: string): [string, unknown] {
  const equals = text.indexOf('=')
  const field = text.slice(0, equals)
  const wrong = (why: string): StowageError =>
    new StowageError('configuration', `--set ${why}.`, {
      field: '--set',
      hint: 'Write FIELD=JSON, such as pathStyle=true.',
    })
  if (equals <= 0) throw wrong('needs a field and a value')
  if (secret.test(field))
    throw wrong(`does not take ${field}; give credentials by a variable, a file or the standard input`)
  const value = text.slice(equals + 1)
  try {
    return [field, JSON.parse(value)]
  } catch {
    // A plain text needs no quotes.
    return [field, value]
  }
}

function parseWhole(text: string): number {
  const value = Number(text)
  if (text === '' || !Number.isSafeInteger(value)) throw new InvalidArgumentError('Write a whole number.')
  return value
}

function parseWeight(text: string): number {
  const value = Number(text)
  if (!(value > 0 && Number.isFinite(value))) throw new InvalidArgumentError('Write a number above 0.')
  return value
}
