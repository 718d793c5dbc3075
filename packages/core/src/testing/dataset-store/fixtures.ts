import type { DatasetVersion, DraftFile } from '../../entities/index.ts'
import type { DatasetStore, NewDraft, Publication } from '../../ports/index.ts'

/** A draft on `oss` of this dataset. */
export function draftOf(datasetId: string, id: string, baseVersion = 0): NewDraft {
  return { id, datasetId, sourceId: 'oss', path: `data/${datasetId}/`, baseVersion, author: 'ada' }
}

export function fileAt(draftId: string, path: string, size = 1): DraftFile {
  return { path, key: `${draftId}/${path}`, size, digest: 'd'.repeat(64) }
}

export function publicationOf(draftId: string, manifest = `manifest of ${draftId}`): Publication {
  return { draftId, manifest, size: 10, fileCount: 2, message: `from ${draftId}` }
}

/** Creates a dataset and publishes this many versions of it. */
export async function publishedDataset(store: DatasetStore, id = 'cats', versions = 1): Promise<DatasetVersion[]> {
  await store.createDataset({ id, name: `name of ${id}`, userId: 'ada' })
  const published: DatasetVersion[] = []
  for (let base = 0; base < versions; base++) {
    await store.createDraft(draftOf(id, `${id}-draft-${base + 1}`, base))
    published.push(await store.publish(publicationOf(`${id}-draft-${base + 1}`)))
  }
  return published
}
