import { randomUUID } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
import { checkRecordKey, checkRecordValue, StowageError, type SyncStore } from '@stowage/core'

/** A sync store of your own: one table, compare-and-swap by a revision that is never used twice. */
export function tableStore(path: string): SyncStore {
  const db = new DatabaseSync(path)
  db.exec('PRAGMA journal_mode = WAL; PRAGMA busy_timeout = 5000')
  db.exec('CREATE TABLE IF NOT EXISTS record (key TEXT PRIMARY KEY, value BLOB NOT NULL, revision TEXT NOT NULL)')
  const select = db.prepare('SELECT value, revision FROM record WHERE key = ?')
  const insert = db.prepare('INSERT INTO record VALUES (?, ?, ?) ON CONFLICT DO NOTHING')
  const update = db.prepare('UPDATE record SET value = ?, revision = ? WHERE key = ? AND revision = ?')
  const remove = db.prepare('DELETE FROM record WHERE key = ? AND (? IS NULL OR revision = ?)')
  const range = db.prepare('SELECT key FROM record WHERE key > ? AND key >= ? AND key < ? ORDER BY key LIMIT ?')
  const conflict = (key: string) =>
    new StowageError('conflict', `Record "${key}" was changed by somebody else.`, { key })
  return {
    now: async () => Date.now(),
    get: async (key) => {
      checkRecordKey(key)
      const row = select.get(key) as { value: Uint8Array; revision: string } | undefined
      return row && { value: row.value, revision: row.revision }
    },
    put: async (key, value, expected) => {
      checkRecordKey(key)
      checkRecordValue(key, value)
      const revision = randomUUID()
      const done = expected === null ? insert.run(key, value, revision) : update.run(value, revision, key, expected)
      if (done.changes === 0) throw conflict(key)
      return revision
    },
    delete: async (key, expected) => {
      checkRecordKey(key)
      const done = remove.run(key, expected ?? null, expected ?? null)
      if (done.changes === 0 && expected !== undefined) throw conflict(key)
    },
    list: async (prefix, { after = '', limit = -1 } = {}) =>
      (range.all(after, prefix, `${prefix}\u007f`, limit) as { key: string }[]).map((row) => row.key),
    close: async () => db.close(),
  }
}
