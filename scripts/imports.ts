import { readFileSync } from 'node:fs'
import { parseSync, Visitor } from 'oxc-parser'

/** One mention of another module. */
export interface Import {
  readonly specifier: string
  /** True when only types are taken, so that nothing is left of it at run time. */
  readonly typeOnly: boolean
  readonly line: number
}

/** A use of the clock, of chance, of the network or of the process. */
export interface Impurity {
  readonly what: string
  readonly line: number
}

const impureGlobals = new Set(['fetch', 'performance', 'process', 'setImmediate', 'setInterval', 'setTimeout'])
const impureMembers = new Set(['Date.now', 'Math.random', 'crypto.getRandomValues', 'crypto.randomUUID'])

/** What a module imports, and what it does that is not pure. */
export function scan(file: string): { imports: Import[]; impurities: Impurity[] } {
  const source = readFileSync(file, 'utf8')
  const { program, errors } = parseSync(file, source)
  const [error] = errors
  if (error !== undefined) throw new Error(`${file}: ${error.message}`)
  const lineAt = (offset: number): number => source.slice(0, offset).split('\n').length
  const imports: Import[] = []
  const impurities: Impurity[] = []

  const add = ({ value }: { value: unknown }, typeOnly: boolean, start: number): void => {
    if (typeof value === 'string') imports.push({ specifier: value, typeOnly, line: lineAt(start) })
  }

  new Visitor({
    ImportDeclaration({ source: from, importKind, specifiers, start }) {
      const types = specifiers.map((one) => one.type === 'ImportSpecifier' && one.importKind === 'type')
      add(from, importKind === 'type' || (types.length > 0 && !types.includes(false)), start)
    },
    ExportNamedDeclaration({ source: from, exportKind, specifiers, start }) {
      const types = specifiers.map((one) => one.exportKind === 'type')
      if (from !== null) add(from, exportKind === 'type' || (types.length > 0 && !types.includes(false)), start)
    },
    ExportAllDeclaration({ source: from, exportKind, start }) {
      add(from, exportKind === 'type', start)
    },
    ImportExpression({ source: from, start }) {
      if (from.type === 'Literal') add(from, false, start)
    },
    TSImportType({ source: from, start }) {
      add(from, true, start)
    },
    MemberExpression({ object, property, start }) {
      if (object.type !== 'Identifier' || property.type !== 'Identifier') return
      const what = `${object.name}.${property.name}`
      if (impureMembers.has(what) || impureGlobals.has(object.name)) impurities.push({ what, line: lineAt(start) })
    },
    CallExpression({ callee, start }) {
      if (callee.type !== 'Identifier') return
      const { name } = callee
      if (impureGlobals.has(name) || name === 'Date') impurities.push({ what: `${name}()`, line: lineAt(start) })
    },
    NewExpression({ callee, arguments: given, start }) {
      if (callee.type !== 'Identifier' || callee.name !== 'Date' || given.length > 0) return
      impurities.push({ what: 'new Date()', line: lineAt(start) })
    },
  }).visit(program)
  return { imports, impurities }
}
