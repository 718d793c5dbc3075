import type { Rule } from './rule.ts'

/**
 * What holds unless other rules say otherwise: external users upload to public sources, internal ones to inside sources, and internal
 * readers of whom nothing nearer is known read from inside.
 */
export const defaultRules: readonly Rule[] = [
  {
    id: 'default-external-write',
    priority: 1000,
    when: { purpose: 'write', userType: 'external' },
    then: { prefer: { isPublic: true } },
  },
  {
    id: 'default-internal-write',
    priority: 1000,
    when: { purpose: 'write', userType: 'internal' },
    then: { prefer: { isPublic: false } },
  },
  {
    id: 'default-internal-read',
    priority: 1000,
    when: { purpose: 'read', userType: 'internal' },
    then: { tieBreak: { isPublic: false } },
  },
]
