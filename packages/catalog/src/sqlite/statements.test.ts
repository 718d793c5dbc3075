import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import { Statements } from './statements.ts'

test('prepares a text once, and gives up those not used for long', () => {
  const database = new DatabaseSync(':memory:')
  onTestFinished(() => database.close())
  const statements = new Statements(database)
  const kept = statements.get('select 0')
  const early = statements.get('select 1')
  for (let i = 2; i < 300; i++) {
    statements.get(`select ${i}`)
    expect(statements.get('select 0')).toBe(kept)
  }
  expect(statements.get('select 1')).not.toBe(early)
  expect(statements.get('select 1').all()).toHaveLength(1)
})
