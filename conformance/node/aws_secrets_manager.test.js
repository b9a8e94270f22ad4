// AWS's JavaScript SDK beside node-vault, on one secret. Must never reach AWS: the server's address stands in the environment.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const { randomBytes } = require('node:crypto');
const connect = require('node-vault');
const aws = require('@aws-sdk/client-secrets-manager');

const address = process.env.VAULT_ADDR;
const root = connect({ endpoint: address, token: process.env.VAULT_TOKEN });
const name = () => 'n' + randomBytes(6).toString('hex');

// A token with a policy for one folder, and an AWS client with an access key that stands for it.
async function door(folder) {
  const policy = name();
  const paths = ['data', 'metadata', 'delete', 'undelete'].map(
    (form) => `path "secret/${form}/${folder}/*" { capabilities = ["create", "read", "update", "delete", "list"] }`,
  );
  await root.addPolicy({ name: policy, rules: [...paths, 'path "identity/access-key" { capabilities = ["update"] }'].join('\n') });
  const maker = connect({ endpoint: address, token: process.env.VAULT_TOKEN });
  const token = (await maker.tokenCreate({ policies: [policy], ttl: '10m' })).auth.client_token;
  const vault = connect({ endpoint: address, token });
  const key = (await vault.write('identity/access-key', { ttl: '5m' })).data;
  process.env.AWS_ENDPOINT_URL = address;
  const client = new aws.SecretsManagerClient({
    region: 'eu-central-1',
    maxAttempts: 1,
    credentials: { accessKeyId: key.access_key_id, secretAccessKey: key.secret_access_key, sessionToken: key.session_token },
  });
  const ask = (kind, input) => client.send(new aws[kind + 'Command'](input));
  return { vault, ask };
}

// Vault's own server does not speak this.
async function spoken(t) {
  const asked = await fetch(address, { method: 'POST', headers: { 'x-amz-target': 'secretsmanager.ListSecrets' }, body: '{}' });
  if (!asked.headers.has('x-amzn-errortype')) t.skip('the server does not speak Secrets Manager');
  return asked.headers.has('x-amzn-errortype');
}

test('one secret at two doors', async (t) => {
  if (!(await spoken(t))) return;
  const folder = name();
  const { vault, ask } = await door(folder);
  const made = await ask('CreateSecret', { Name: `${folder}/db`, SecretString: '{"password":"one"}' });
  assert.match(made.ARN, new RegExp(`^arn:aws:secretsmanager:eu-central-1:123456789012:secret:${folder}/db-[0-9A-Za-z]{6}$`));
  assert.deepEqual((await vault.read(`secret/data/${folder}/db`)).data.data, { password: 'one' });
  await vault.write(`secret/data/${folder}/db`, { data: { password: 'two' } });
  const read = await ask('GetSecretValue', { SecretId: made.ARN });
  assert.equal(read.SecretString, '{"password":"two"}');
  assert.ok(read.CreatedDate instanceof Date);
  const bytes = Uint8Array.from([0, 255, 16]);
  await ask('PutSecretValue', { SecretId: `${folder}/db`, SecretBinary: bytes });
  assert.deepEqual([...(await ask('GetSecretValue', { SecretId: `${folder}/db` })).SecretBinary], [...bytes]);
  const listed = await ask('ListSecrets', {});
  assert.deepEqual(listed.SecretList.map((secret) => secret.Name), [`${folder}/db`]);
});

test('errors are those that the SDK has types for', async (t) => {
  if (!(await spoken(t))) return;
  const folder = name();
  const { ask } = await door(folder);
  await assert.rejects(ask('GetSecretValue', { SecretId: `${folder}/none` }), aws.ResourceNotFoundException);
  await assert.rejects(ask('GetSecretValue', { SecretId: 'elsewhere' }), { name: 'AccessDeniedException' });
  await ask('CreateSecret', { Name: `${folder}/a`, SecretString: 'x' });
  await assert.rejects(ask('CreateSecret', { Name: `${folder}/a`, SecretString: 'x' }), aws.ResourceExistsException);
  await ask('DeleteSecret', { SecretId: `${folder}/a` });
  await assert.rejects(ask('GetSecretValue', { SecretId: `${folder}/a` }), aws.InvalidRequestException);
  await ask('RestoreSecret', { SecretId: `${folder}/a` });
  assert.equal((await ask('GetSecretValue', { SecretId: `${folder}/a` })).SecretString, 'x');
});
