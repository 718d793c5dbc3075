export {
  BLOCK_SIZE,
  blockDigests,
  combineBlocks,
  DigestBuilder,
  digestOf,
  digestStream,
  type FileDigest,
} from './digest.ts'
