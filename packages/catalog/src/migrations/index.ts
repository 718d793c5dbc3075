export { type Migration, migrate, migrations, schemaVersion } from './migrate.ts'
