export { BLOCK_SIZE } from './block-size.ts'
export {
  blockDigests,
  combineBlocks,
  DigestBuilder,
  digestOf,
  digestStream,
  type FileDigest,
} from './digest.ts'
