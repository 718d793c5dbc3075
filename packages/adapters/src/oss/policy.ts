/**
 * The least policy of RAM that lets a source do everything.
 * Actions: https://www.alibabacloud.com/help/en/oss/user-guide/ram-policy-overview/
 */
export function leastPolicy(bucket: string): Readonly<Record<string, unknown>> {
  return {
    Version: '1',
    Statement: [
      {
        Effect: 'Allow',
        Action: ['oss:ListObjects', 'oss:GetBucketInfo', 'oss:GetBucketVersioning', 'oss:ListMultipartUploads'],
        Resource: [`acs:oss:*:*:${bucket}`],
      },
      {
        Effect: 'Allow',
        Action: [
          'oss:GetObject',
          'oss:GetObjectVersion',
          'oss:GetObjectTagging',
          'oss:PutObject',
          'oss:PutObjectTagging',
          'oss:DeleteObject',
          'oss:DeleteObjectVersion',
          'oss:AbortMultipartUpload',
          'oss:ListParts',
          'oss:RestoreObject',
        ],
        Resource: [`acs:oss:*:*:${bucket}/*`],
      },
    ],
  }
}
