/**
 * The least policy that lets a source do everything: AWS's JSON, which MinIO and RustFS take too.
 * Actions: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
 */
export function leastPolicy(bucket: string, region: string | undefined): Readonly<Record<string, unknown>> {
  const partition = region?.startsWith('cn-') ? 'aws-cn' : region?.startsWith('us-gov-') ? 'aws-us-gov' : 'aws'
  const arn = `arn:${partition}:s3:::${bucket}`
  return {
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Action: ['s3:ListBucket', 's3:GetBucketLocation', 's3:ListBucketMultipartUploads'],
        Resource: [arn],
      },
      {
        Effect: 'Allow',
        Action: [
          's3:GetObject',
          's3:GetObjectVersion',
          's3:GetObjectTagging',
          's3:PutObject',
          's3:PutObjectTagging',
          's3:DeleteObject',
          's3:DeleteObjectVersion',
          's3:AbortMultipartUpload',
          's3:ListMultipartUploadParts',
        ],
        Resource: [`${arn}/*`],
      },
    ],
  }
}
