export { migrate, migrations, schemaVersion } from './migrate.ts'
