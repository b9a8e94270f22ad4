// AWS's JavaScript SDK beside node-vault, on one key. Must never reach AWS: the server's address stands in the environment.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const { randomBytes } = require('node:crypto');
const connect = require('node-vault');
const aws = require('@aws-sdk/client-kms');

const address = process.env.VAULT_ADDR;
const root = connect({ endpoint: address, token: process.env.VAULT_TOKEN });
const name = () => 'n' + randomBytes(6).toString('hex');

// The mount, a token that may use it, and an AWS client with an access key that stands for the token.
async function door() {
  const mounted = await root.mounts();
  if (!('transit/' in (mounted.data ?? mounted))) await root.mount({ mount_point: 'transit', type: 'transit' });
  const policy = name();
  const rules = 'path "transit/*" { capabilities = ["create", "read", "update", "delete", "list"] }';
  await root.addPolicy({ name: policy, rules: rules + '\npath "identity/access-key" { capabilities = ["update"] }' });
  const maker = connect({ endpoint: address, token: process.env.VAULT_TOKEN });
  const token = (await maker.tokenCreate({ policies: [policy], ttl: '10m' })).auth.client_token;
  const vault = connect({ endpoint: address, token });
  const key = (await vault.write('identity/access-key', { ttl: '5m' })).data;
  process.env.AWS_ENDPOINT_URL = address;
  const client = new aws.KMSClient({
    region: 'eu-central-1',
    maxAttempts: 1,
    credentials: { accessKeyId: key.access_key_id, secretAccessKey: key.secret_access_key, sessionToken: key.session_token },
  });
  return { vault, ask: (kind, input) => client.send(new aws[kind + 'Command'](input)) };
}

// Vault's own server does not speak this.
async function spoken(t) {
  const asked = await fetch(address, { method: 'POST', headers: { 'x-amz-target': 'TrentService.ListKeys' }, body: '{}' });
  if (!asked.headers.has('x-amzn-errortype')) t.skip('the server does not speak KMS');
  return asked.headers.has('x-amzn-errortype');
}

test('one key at two doors', async (t) => {
  if (!(await spoken(t))) return;
  const { vault, ask } = await door();
  const own = name();
  await vault.write(`transit/keys/${own}`, { type: 'aes256-gcm96' });
  const key = (await ask('DescribeKey', { KeyId: `alias/${own}` })).KeyMetadata;
  assert.ok(key.CreationDate instanceof Date);
  const sealed = await ask('Encrypt', { KeyId: key.Arn, Plaintext: Buffer.from('text') });
  const opened = await vault.write(`transit/decrypt/${own}`, { ciphertext: Buffer.from(sealed.CiphertextBlob).toString('base64') });
  assert.equal(Buffer.from(opened.data.plaintext, 'base64').toString(), 'text');
  const data = await ask('GenerateDataKey', { KeyId: key.KeyId, KeySpec: 'AES_256', EncryptionContext: { a: 'b' } });
  await ask('RotateKeyOnDemand', { KeyId: key.KeyId });
  const again = await ask('Decrypt', { CiphertextBlob: data.CiphertextBlob, EncryptionContext: { a: 'b' } });
  assert.deepEqual([...again.Plaintext], [...data.Plaintext]);
  // Operations whose answer is empty.
  await ask('DisableKey', { KeyId: key.KeyId });
  await ask('EnableKey', { KeyId: key.KeyId });
  await ask('TagResource', { KeyId: key.KeyId, Tags: [{ TagKey: 'k', TagValue: 'v' }] });
  assert.deepEqual((await ask('ListResourceTags', { KeyId: key.KeyId })).Tags, [{ TagKey: 'k', TagValue: 'v' }]);
});

test('errors are those that the SDK has types for', async (t) => {
  if (!(await spoken(t))) return;
  const { ask } = await door();
  await assert.rejects(ask('DescribeKey', { KeyId: 'alias/none' }), aws.NotFoundException);
  await assert.rejects(ask('Decrypt', { CiphertextBlob: Buffer.from('junk') }), aws.InvalidCiphertextException);
  await assert.rejects(ask('GetKeyPolicy', { KeyId: 'alias/none' }), aws.NotFoundException);
  await assert.rejects(ask('ConnectCustomKeyStore', { CustomKeyStoreId: 'cks-none' }), aws.UnsupportedOperationException);
  const made = (await ask('CreateKey', { KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' })).KeyMetadata;
  const common = { KeyId: made.KeyId, SigningAlgorithm: 'ECDSA_SHA_256' };
  const { Signature } = await ask('Sign', { ...common, Message: Buffer.from('one') });
  await assert.rejects(ask('Verify', { ...common, Signature, Message: Buffer.from('two') }), aws.KMSInvalidSignatureException);
  assert.equal((await ask('Verify', { ...common, Signature, Message: Buffer.from('one') })).SignatureValid, true);
});
