import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { at, locationsOverlap } from '@stowage/core'
import { tempDir, testSecret } from '@stowage/test-support'
import { expect, test } from 'vitest'
import { memory } from '../memory/index.ts'
import { minio } from '../minio/index.ts'
import { s3 } from '../s3/index.ts'
import { filesystem } from './index.ts'

test('folders that two sources name overlap, whatever the sources are called', async () => {
  const root = tempDir('overlap')
  mkdirSync(join(root, 'data/a'), { recursive: true })
  symlinkSync('data', join(root, 'link'))
  symlinkSync('a', join(root, 'data/inner'))
  const source = (path: string) => filesystem({ id: path, root: join(root, path) })
  const disk = source('data')
  expect(await locationsOverlap(at(disk), at(source('data/a')))).toBe(true)
  expect(await locationsOverlap(at(disk, 'a'), at(source('link'), 'a/b'))).toBe(true)
  expect(await locationsOverlap(at(disk, 'a/new'), at(disk, 'inner/new/x'))).toBe(true)
  expect(await locationsOverlap(at(disk, 'missing/x'), at(source('.'), 'data/missing'))).toBe(true)
  expect(await locationsOverlap(at(disk, 'a'), at(source('data'), 'ab'))).toBe(false)
  expect(await locationsOverlap(at(disk, 'a'), at(source('data/b')))).toBe(false)
})

test('so do those of two sources of one bucket, but not of two servers or in memory', async () => {
  const keys = { bucket: 'train', accessKey: 'a', secretKey: testSecret('overlap') }
  const lan = minio({ id: 'lan', endpoint: 'http://127.0.0.1:9000', ...keys })
  const again = s3({ id: 'again', endpoint: 'http://localhost:9000', region: 'us-east-1', ...keys })
  const other = minio({ id: 'other', endpoint: 'http://127.0.0.1:9001', ...keys })
  expect(await locationsOverlap(at(lan, 'p'), at(again, 'p/q'))).toBe(true)
  expect(await locationsOverlap(at(lan, 'p'), at(again, 'pq'))).toBe(false)
  expect(await locationsOverlap(at(lan, 'p'), at(other, 'p'))).toBe(false)
  expect(await locationsOverlap(at(lan), at(s3({ id: 'aws', region: 'us-east-1', ...keys })))).toBe(false)
  expect(await locationsOverlap(at(memory({ id: 'x' })), at(memory({ id: 'y' })))).toBe(false)
  expect(await locationsOverlap(at(lan), at(memory({ id: 'y' })))).toBe(false)
})
