import type { ObjectBounds } from '@stowage/core'
import type { Command } from 'commander'
import { collect, parseAge, parseBytes } from './parse.ts'

/** Which objects of a prefix a sync or a policy is about. */
export interface FilterFlags {
  include?: string[]
  exclude?: string[]
  minSize?: number
  maxSize?: number
  minAge?: number
  maxAge?: number
}

/** Adds the options. */
export function filterOptions(command: Command): Command {
  return command
    .option('--include <glob>', 'only keys that match (may be given several times)', collect)
    .option('--exclude <glob>', 'no keys that match (may be given several times)', collect)
    .option('--min-size <bytes>', 'only objects of this size or more', parseBytes)
    .option('--max-size <bytes>', 'only objects of this size or less', parseBytes)
    .option(
      '--min-age <time>',
      'only objects last written this long ago or longer, such as 90, 10m, 36h or 7d',
      parseAge,
    )
    .option('--max-age <time>', 'only objects last written this long ago or later', parseAge)
}

/** The filters that the options name. */
export function filtersOf(flags: FilterFlags): ObjectBounds & { include?: string[]; exclude?: string[] } {
  const { include, exclude, minSize, maxSize, minAge, maxAge } = flags
  return {
    ...(include === undefined ? {} : { include }),
    ...(exclude === undefined ? {} : { exclude }),
    ...(minSize === undefined ? {} : { minSize }),
    ...(maxSize === undefined ? {} : { maxSize }),
    ...(minAge === undefined ? {} : { minAgeMs: minAge }),
    ...(maxAge === undefined ? {} : { maxAgeMs: maxAge }),
  }
}
