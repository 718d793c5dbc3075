import {
  checkManifestObject,
  type DatasetVersion,
  MANIFEST_FORMAT,
  parseFormatted,
  type RootMarker,
  StowageError,
  type VersionRecord,
} from '@stowage/core'
import type { Context } from '../../app/context.ts'
import { checkBlocks } from '../../datasets/blocks.ts'
import type { Unit } from '../places/index.ts'

/** What is not a file: small, and known whole. */
export type SmallUnit = Exclude<Unit, { what: 'file' }>

/** Fields of a version's record that never change. Its name may: datasets are renamed. */
const fixed = ['datasetId', 'number', 'manifest', 'author', 'message', 'size', 'fileCount', 'createdAt'] as const

/** Holds the bytes of a small object against what they should be. @throws StowageError `integrity`, or `newer-format` */
export async function checkSmall(context: Context, unit: SmallUnit, bytes: Uint8Array): Promise<void> {
  if (unit.what === 'manifest') await checkManifestObject(unit.key, bytes)
  else if (unit.what === 'blocks') checkBlocks(unit.entry, bytes)
  else if (unit.what === 'marker') {
    const marker = parseFormatted<RootMarker>(bytes, MANIFEST_FORMAT, unit.name)
    if (marker.datasetId === unit.place.datasetId && marker.catalogId === (await context.catalog.catalogId())) return
    throw wrong(unit, 'names another dataset or catalog')
  } else {
    const record = parseFormatted<VersionRecord>(bytes, MANIFEST_FORMAT, unit.name)
    const field = fixed.find((name) => record[name] !== unit.version[name])
    if (field !== undefined) throw wrong(unit, `has another ${field}`)
    if (String(record.parents) !== String(unit.version.parents)) throw wrong(unit, 'has other parents')
  }
}

/** A marker or a record as it is written. */
export async function writtenAs(
  context: Context,
  unit: { what: 'marker' | 'record' } & SmallUnit,
): Promise<Uint8Array> {
  const { datasetId } = unit.place
  if (unit.what === 'marker') {
    const marker: RootMarker = { format: MANIFEST_FORMAT, catalogId: await context.catalog.catalogId(), datasetId }
    return Buffer.from(JSON.stringify(marker))
  }
  const name = (await context.catalog.getDataset(datasetId))?.name ?? datasetId
  return Buffer.from(JSON.stringify({ format: MANIFEST_FORMAT, ...recordOf(unit.version), name }))
}

function recordOf(version: DatasetVersion): Omit<VersionRecord, 'format' | 'name'> {
  return version
}

function wrong(unit: Unit, how: string): StowageError {
  return new StowageError('integrity', `The object that holds ${unit.name} ${how}.`, { key: unit.key })
}
