import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestServer } from '@stowage/test-support'
import type { Command } from './sync-cost.ts'

/** Where a race is run: one bucket, or a folder, into another bucket. */
export interface Course {
  from: { server: TestServer; bucket: string } | { folder: string }
  to: { server: TestServer; bucket: string }
  /** A folder for what the tool keeps. */
  home: string
}

/** A competitor: how it is told to do the work. */
export type Tool = (course: Course, binary: string) => Promise<Command> | Command

const threads = '32'

/** The competitors by name; each is given as much at a time as the others. */
export const tools: Record<string, Tool> = {
  stowage: async ({ from, to, home }, binary) => {
    const sources = [
      'folder' in from ? { id: 'from', type: 'filesystem', root: from.folder } : source('from', from),
      source('to', to),
    ]
    await writeFile(join(home, 'stowage.config.json'), JSON.stringify({ sources }))
    return { file: process.execPath, args: [binary, 'sync', 'from:', 'to:', '--json'], env: {}, cwd: home }
  },
  rclone: ({ from, to, home }, file) => ({
    file,
    args: [
      ...['sync', 'folder' in from ? from.folder : `from:${from.bucket}`, `to:${to.bucket}`],
      ...['--transfers', threads, '--checkers', threads, '--fast-list', '--checksum'],
      ...['--s3-no-check-bucket', '--s3-disable-checksum'],
    ],
    env: {
      RCLONE_CONFIG: '/dev/null',
      ...('folder' in from ? {} : rcloneRemote('FROM', from.server)),
      ...rcloneRemote('TO', to.server),
    },
    cwd: home,
  }),
  mc: ({ from, to, home }, file) => ({
    file,
    args: [
      ...['--config-dir', join(home, 'mc'), '--quiet', 'mirror'],
      ...['folder' in from ? from.folder : `from/${from.bucket}`, `to/${to.bucket}`],
    ],
    env: {
      ...('folder' in from ? {} : { MC_HOST_from: withKeys('http', from.server) }),
      MC_HOST_to: withKeys('http', to.server),
    },
    cwd: home,
  }),
  juicefs: ({ from, to, home }, file) => ({
    file,
    args: [
      ...['sync', '--threads', threads],
      'folder' in from ? `${from.folder}/` : `${withKeys('minio', from.server)}/${from.bucket}/`,
      `${withKeys('minio', to.server)}/${to.bucket}/`,
    ],
    env: {},
    cwd: home,
  }),
  s5cmd: ({ from, to, home }, file) => {
    if (!('folder' in from)) throw new Error('s5cmd knows one endpoint only')
    const { server, bucket } = to
    return {
      file,
      args: ['--endpoint-url', server.endpoint, 'sync', `${from.folder}/`, `s3://${bucket}/`],
      env: { AWS_ACCESS_KEY_ID: server.accessKey, AWS_SECRET_ACCESS_KEY: server.secretKey, AWS_REGION: server.region },
      cwd: home,
    }
  },
}

/** Forgets what a tool kept, so that the next run is a first one. */
export async function forget(home: string): Promise<void> {
  await rm(join(home, '.stowage'), { recursive: true, force: true })
}

function source(id: string, { server, bucket }: { server: TestServer; bucket: string }): Record<string, unknown> {
  const { endpoint, accessKey, secretKey, region } = server
  return { id, type: 'minio', endpoint, bucket, region, accessKey, secretKey, pathStyle: true }
}

function rcloneRemote(name: string, { endpoint, accessKey, secretKey, region }: TestServer): Record<string, string> {
  const fields = { TYPE: 's3', PROVIDER: 'Minio', ENDPOINT: endpoint, REGION: region }
  const secrets = { ACCESS_KEY_ID: accessKey, SECRET_ACCESS_KEY: secretKey }
  return Object.fromEntries(
    Object.entries({ ...fields, ...secrets }).map(([field, value]) => [`RCLONE_CONFIG_${name}_${field}`, value]),
  )
}

function withKeys(scheme: string, { endpoint, accessKey, secretKey }: TestServer): string {
  return `${scheme}://${accessKey}:${encodeURIComponent(secretKey)}@${new URL(endpoint).host}`
}
