/** The file in a folder that says which version was made into it. One file with a dot, as loaders take every folder for a class of pictures. */
export const RECORD = '.stowage-version.json'
/** Temporary files begin with this. */
export const TEMPORARY = '.stowage-tmp-'
export const FORMAT = 1

/** What a folder holds. */
export interface Recorded {
  datasetId: string
  version: number
  /** The root digest of the version's manifest. */
  manifest: string
  prefix: string
}

export function sameContent(a: Recorded, b: Recorded): boolean {
  return a.datasetId === b.datasetId && a.version === b.version && a.manifest === b.manifest && a.prefix === b.prefix
}

/** Whether a name at the top of the folder is one of those that are kept for ourselves. */
export function isOwnName(name: string): boolean {
  return name === RECORD || name.startsWith(TEMPORARY)
}
