/** The size of a digest block: 8 MiB. With parts of this size the digest equals S3's composite SHA-256. Part of the format; never changes. */
export const BLOCK_SIZE: number = 8 * 1024 * 1024
