"""Drives the double with Alibaba's own Python SDK: a list of calls for one signature version. Fails with an assertion."""
import hashlib
import socket
import sys

import oss2
import requests
from oss2.models import (BatchDeleteObjectVersion, BatchDeleteObjectVersionList, BucketVersioningConfig, PartInfo, Tagging,
                         TaggingRule)

endpoint, region, bucket_name, access_key, secret_key, version, sts_key, sts_secret, sts_token = sys.argv[1:]

# Virtual hosts of the double end in ".localhost", which not every resolver knows.
resolve = socket.getaddrinfo
socket.getaddrinfo = lambda host, *rest, **named: resolve('127.0.0.1' if host.endswith('.localhost') else host, *rest, **named)


def bucket_of(auth, name=bucket_name):
    return oss2.Bucket(auth, endpoint, name, region=region, connect_timeout=20)


def expect(error, call):
    try:
        call()
    except error as caught:
        return caught
    raise AssertionError('expected ' + error.__name__)


auth = oss2.make_auth(access_key, secret_key, version)
bucket = bucket_of(auth)
odd = u'odd/a+b %25 \u6587\u4ef6 \U0001f600 <&>"\'.txt'

# Objects: the SDK itself compares its CRC64 with the server's on each put and get.
put = bucket.put_object(odd, b'hello', headers={'x-oss-meta-of': 'python', 'Content-Type': 'text/x-own'})
assert put.etag == hashlib.md5(b'hello').hexdigest().upper(), put.etag
assert bucket.get_object(odd).read() == b'hello'
head = bucket.head_object(odd)
assert head.headers['x-oss-meta-of'] == 'python' and head.content_type == 'text/x-own' and head.content_length == 5
assert bucket.get_object(odd, byte_range=(1, 2)).read() == b'el'
# A range beyond the end: the whole object, unless the standard behaviour is asked for.
assert bucket.get_object(odd, byte_range=(3, 99)).read() == b'hello'
assert bucket.get_object(odd, byte_range=(3, 99), headers={'x-oss-range-behavior': 'standard'}).read() == b'lo'
assert bucket.object_exists(odd) and not bucket.object_exists('none')
expect(oss2.exceptions.NoSuchKey, lambda: bucket.get_object('none'))
expect(oss2.exceptions.NotFound, lambda: bucket.head_object('none'))
expect(oss2.exceptions.PreconditionFailed, lambda: bucket.get_object(odd, headers={'If-Match': '"00"'}))
expect(oss2.exceptions.NotModified, lambda: bucket.get_object(odd, headers={'If-None-Match': '"%s"' % put.etag}))
exists = expect(oss2.exceptions.ServerError, lambda: bucket.put_object(odd, b'x', headers={'x-oss-forbid-overwrite': 'true'}))
assert (exists.status, exists.code) == (409, 'FileAlreadyExists'), exists
expect(oss2.exceptions.InvalidDigest, lambda: bucket.put_object('md5', b'x', headers={'Content-MD5': 'AAAAAAAAAAAAAAAAAAAAAA=='}))

# Copies.
bucket.copy_object(bucket_name, odd, 'copied')
assert bucket.get_object('copied').read() == b'hello'
bucket.copy_object(bucket_name, odd, 'replaced', headers={'x-oss-metadata-directive': 'REPLACE', 'x-oss-meta-new': 'y'})
assert 'x-oss-meta-of' not in bucket.head_object('replaced').headers
expect(oss2.exceptions.PreconditionFailed,
       lambda: bucket.copy_object(bucket_name, odd, 'no', headers={'x-oss-copy-source-if-match': '"00"'}))

# Multipart.
large = bytes(bytearray(range(256))) * 1200
upload = bucket.init_multipart_upload('large', headers={'x-oss-meta-kind': 'large'}).upload_id
first = bucket.upload_part('large', upload, 1, large[:200000])
second = bucket.upload_part('large', upload, 2, large[200000:])
assert [part.part_number for part in oss2.PartIterator(bucket, 'large', upload)] == [1, 2]
assert [found.upload_id for found in oss2.MultipartUploadIterator(bucket, prefix='large')] == [upload]
expect(oss2.exceptions.ServerError, lambda: bucket.complete_multipart_upload('large', upload, [PartInfo(1, '00')]))
bucket.complete_multipart_upload(
    'large', upload,
    [PartInfo(1, first.etag, size=200000, part_crc=first.crc), PartInfo(2, second.etag, size=len(large) - 200000, part_crc=second.crc)])
assert bucket.get_object('large').read() == large
assert bucket.head_object('large').headers['x-oss-meta-kind'] == 'large'
upload = bucket.init_multipart_upload('part-copied').upload_id
part = bucket.upload_part_copy(bucket_name, 'large', (0, 102399), 'part-copied', upload, 1)
bucket.complete_multipart_upload('part-copied', upload, [PartInfo(1, part.etag)])
assert bucket.get_object('part-copied').read() == large[:102400]
upload = bucket.init_multipart_upload('small').upload_id
small = [bucket.upload_part('small', upload, number, b'x') for number in (1, 2)]
refused = expect(oss2.exceptions.ServerError, lambda: bucket.complete_multipart_upload(
    'small', upload, [PartInfo(i + 1, part.etag) for i, part in enumerate(small)]))
assert refused.code == 'EntityTooSmall', refused
bucket.abort_multipart_upload('small', upload)
expect(oss2.exceptions.NoSuchUpload, lambda: bucket.abort_multipart_upload('small', upload))

# Listings, by marker and by token.
for i in range(7):
    bucket.put_object(u'list/\u6587 +%d/x' % i, b'x')
wanted = [u'list/\u6587 +%d/x' % i for i in range(7)]
assert [found.key for found in oss2.ObjectIterator(bucket, prefix='list/', max_keys=2)] == wanted
assert [found.key for found in oss2.ObjectIteratorV2(bucket, prefix='list/', max_keys=2)] == wanted
folders = [found.key for found in oss2.ObjectIteratorV2(bucket, prefix='list/', delimiter='/', max_keys=3)]
assert folders == [key[:-1] for key in wanted], folders
after = [found.key for found in oss2.ObjectIteratorV2(bucket, prefix='list/', start_after=wanted[3])]
assert after == wanted[4:], after
assert sorted(bucket.batch_delete_objects(wanted).deleted_keys) == wanted
assert [found.key for found in oss2.ObjectIteratorV2(bucket, prefix='list/')] == []

# URLs.
url = bucket.sign_url('GET', odd, 60, slash_safe=True)
assert requests.get(url).content == b'hello'
assert requests.get(url.replace('Signature=', 'Signature=0').replace('signature=', 'signature=0')).status_code == 403
url = bucket.sign_url('PUT', 'by-url', 60, headers={'Content-Type': 'text/plain', 'x-oss-forbid-overwrite': 'true'})
headers = {'Content-Type': 'text/plain', 'x-oss-forbid-overwrite': 'true'}
assert requests.put(url, data=b'by url', headers=dict(headers, **{'x-oss-copy-source': '/%s/large' % bucket_name})).status_code == 403
assert requests.put(url, data=b'by url', headers=headers).status_code == 200
assert requests.put(url, data=b'by url', headers=headers).status_code == 409
url = bucket.sign_url('GET', odd, 60, params={'response-content-disposition': 'attachment'})
assert requests.get(url).headers['content-disposition'] == 'attachment'

# Tags.
tagged = {'x-oss-tagging': 'a=1&with%20space=x%2By'}
bucket.put_object('tagged', b'x', headers=tagged)
assert bucket.get_object_tagging('tagged').tag_set.tagging_rule == {'a': '1', 'with space': 'x+y'}
assert bucket.head_object('tagged').headers['x-oss-tagging-count'] == '2'
bucket.copy_object(bucket_name, 'tagged', 'tagged-copy')
assert bucket.get_object_tagging('tagged-copy').tag_set.tagging_rule == {'a': '1', 'with space': 'x+y'}
bucket.copy_object(bucket_name, 'tagged', 'tagged-copy', headers={'x-oss-tagging': 'b=2', 'x-oss-tagging-directive': 'Replace'})
assert bucket.get_object_tagging('tagged-copy').tag_set.tagging_rule == {'b': '2'}
upload = bucket.init_multipart_upload('tagged-parts', headers=tagged).upload_id
part = bucket.upload_part('tagged-parts', upload, 1, b'x')
bucket.complete_multipart_upload('tagged-parts', upload, [PartInfo(1, part.etag)])
assert bucket.get_object_tagging('tagged-parts').tag_set.tagging_rule == {'a': '1', 'with space': 'x+y'}
rules = TaggingRule()
rules.add('c', '3')
bucket.put_object_tagging('tagged', Tagging(rules))
assert bucket.get_object_tagging('tagged').tag_set.tagging_rule == {'c': '3'}
bucket.delete_object_tagging('tagged')
assert bucket.get_object_tagging('tagged').tag_set.tagging_rule == {}
for wrong in ('a=b=c', 'a=1&a=2', '=x', 'a=%40', '&'.join('t%d=x' % i for i in range(11))):
    refused = expect(oss2.exceptions.ServerError, lambda: bucket.put_object('no', b'x', headers={'x-oss-tagging': wrong}))
    assert (refused.status, refused.code) == (400, 'InvalidTag'), (wrong, refused)

# Encryption and storage classes.
for method, key_id in (('AES256', None), ('KMS', None), ('KMS', 'key-1')):
    headers = {'x-oss-server-side-encryption': method}
    if key_id:
        headers['x-oss-server-side-encryption-key-id'] = key_id
    sealed = bucket.put_object('sealed', b'hello', headers=headers)
    assert (sealed.etag == hashlib.md5(b'hello').hexdigest().upper()) == (method == 'AES256')
    found = bucket.head_object('sealed').headers
    assert found['x-oss-server-side-encryption'] == method
    assert found.get('x-oss-server-side-encryption-key-id') == key_id
    assert bucket.get_object('sealed').read() == b'hello'
refused = expect(oss2.exceptions.ServerError, lambda: bucket.put_object('no', b'x', headers={'x-oss-server-side-encryption': 'DES'}))
assert refused.code == 'InvalidEncryptionAlgorithmError', refused
for name in ('Standard', 'IA', 'Archive', 'ColdArchive'):
    bucket.put_object('classed', b'x', headers={'x-oss-storage-class': name})
    assert bucket.head_object('classed').headers['x-oss-storage-class'] == name
expect(oss2.exceptions.InvalidArgument, lambda: bucket.put_object('no', b'x', headers={'x-oss-storage-class': 'STANDARD'}))

# Links and appendable objects.
bucket.put_symlink(odd, 'link')
assert bucket.get_symlink('link').target_key == odd
assert bucket.get_object('link').read() == b'hello'
head = bucket.head_object('link')
assert (head.object_type, head.content_length, head.etag) == ('Symlink', 5, put.etag), vars(head)
bucket.copy_object(bucket_name, 'link', 'link-copy')
assert bucket.get_symlink('link-copy').target_key == odd
bucket.put_symlink('nowhere', 'lost')
lost = expect(oss2.exceptions.ServerError, lambda: bucket.get_object('lost'))
assert (lost.status, lost.code) == (404, 'SymlinkTargetNotExist'), lost
bucket.put_symlink('link', 'round')
assert expect(oss2.exceptions.ServerError, lambda: bucket.get_object('round')).code == 'InvalidTargetType'
expect(oss2.exceptions.ServerError, lambda: bucket.get_symlink(odd))
first = bucket.append_object('log', 0, b'one ')
assert bucket.append_object('log', first.next_position, b'two').next_position == 7
assert bucket.get_object('log').read() == b'one two'
assert bucket.head_object('log').object_type == 'Appendable'
for key, position, code in (('log', 0, 'PositionNotEqualToLength'), (odd, 5, 'ObjectNotAppendable')):
    refused = expect(oss2.exceptions.ServerError, lambda: bucket.append_object(key, position, b'x'))
    assert (refused.status, refused.code) == (409, code), refused
payer = {'x-oss-request-payer': 'requester'}
assert bucket.get_object(odd, headers=payer).read() == b'hello'
assert requests.get(bucket.sign_url('GET', odd, 60, params=payer, slash_safe=True)).content == b'hello'

# Archives.
bucket.put_object('cold', b'cold', headers={'x-oss-storage-class': 'Archive'})
frozen = expect(oss2.exceptions.ServerError, lambda: bucket.get_object('cold'))
assert frozen.code == 'InvalidObjectState', frozen
assert bucket.restore_object('cold').status == 202
expect(oss2.exceptions.RestoreAlreadyInProgress, lambda: bucket.restore_object('cold'))

# Versions.
config = BucketVersioningConfig()
config.status = oss2.BUCKET_VERSIONING_ENABLE
bucket.put_bucket_versioning(config)
assert bucket.get_bucket_versioning().status == 'Enabled'
old = bucket.put_object('versions', b'old').versionid
new = bucket.put_object('versions', b'new').versionid
assert old and new and old != new
assert bucket.get_object('versions', params={'versionId': old}).read() == b'old'
marker = bucket.delete_object('versions')
assert marker.delete_marker
listed = bucket.list_object_versions(prefix='versions')
assert [found.versionid for found in listed.versions] == [new, old], listed.versions
assert [found.versionid for found in listed.delete_marker] == [marker.versionid]
gone = BatchDeleteObjectVersionList([BatchDeleteObjectVersion('versions', each) for each in (old, marker.versionid)])
bucket.delete_object_versions(gone)
assert bucket.get_object('versions').read() == b'new'

# Those who may not.
expect(oss2.exceptions.SignatureDoesNotMatch, lambda: bucket_of(oss2.make_auth(access_key, 'wrong', version)).get_object(odd))
unknown = expect(oss2.exceptions.ServerError, lambda: bucket_of(oss2.make_auth('nobody', 'x', version)).get_object(odd))
assert unknown.code == 'InvalidAccessKeyId', unknown
expect(oss2.exceptions.NoSuchBucket, lambda: bucket_of(auth, bucket_name + '-not').get_object(odd))
expect(oss2.exceptions.AccessDenied, lambda: bucket_of(oss2.AnonymousAuth()).get_object(odd))

# STS.
session = bucket_of(oss2.StsAuth(sts_key, sts_secret, sts_token, version))
assert session.get_object(odd).read() == b'hello'
assert requests.get(session.sign_url('GET', odd, 60, slash_safe=True)).content == b'hello'
expired = expect(oss2.exceptions.ServerError, lambda: bucket_of(oss2.StsAuth(sts_key, sts_secret, 'not' + sts_token, version)).get_object(odd))
assert expired.code == 'InvalidSecurityToken', expired
assert bucket_name in [found.name for found in oss2.BucketIterator(oss2.Service(auth, endpoint, region=region))]
print('all calls of oss2 %s with signature %s' % (oss2.__version__, version))
