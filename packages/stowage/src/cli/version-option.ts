import type { Command } from 'commander'
import { parseCount } from './parse.ts'

/** Which version of a dataset a command is about. */
export interface VersionFlags {
  datasetVersion?: number
}

/** Adds the option. It is not `--version`: that one tells the version of the program. */
export function versionOption(command: Command, what = 'which version (default: the newest)'): Command {
  return command.option('--dataset-version <n>', what, parseCount)
}

/** The version that the option names, if it names one. */
export function versionOf({ datasetVersion }: VersionFlags): { version?: number } {
  return datasetVersion === undefined ? {} : { version: datasetVersion }
}
