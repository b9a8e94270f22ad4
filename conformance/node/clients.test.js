// Asks a running server (VAULT_ADDR, VAULT_TOKEN) through node-vault. Must never depend on what another test left behind.
'use strict';
const test = require('node:test');
const assert = require('node:assert/strict');
const { randomBytes } = require('node:crypto');
const connect = require('node-vault');

const root = connect({ endpoint: process.env.VAULT_ADDR, token: process.env.VAULT_TOKEN });
const name = () => 'n' + randomBytes(6).toString('hex');
const status = (code) => (error) => error.response.statusCode === code;

test('health and seal status', async () => {
  assert.equal((await root.health()).sealed, false);
  assert.equal((await root.status()).sealed, false);
  assert.equal((await root.initialized()).initialized, true);
});

test('key-value secrets', async () => {
  const mount = name();
  await root.mount({ mount_point: mount, type: 'kv', options: { version: '2' } });
  await root.write(`${mount}/data/a`, { data: { x: '1' } });
  assert.deepEqual((await root.read(`${mount}/data/a`)).data.data, { x: '1' });
  await root.update(`${mount}/data/a`, { data: { y: '2' } });
  assert.deepEqual((await root.read(`${mount}/data/a`)).data.data, { x: '1', y: '2' });
  assert.deepEqual((await root.list(`${mount}/metadata`)).data.keys, ['a']);
  await root.delete(`${mount}/data/a`);
  await assert.rejects(root.read(`${mount}/data/a`), status(404));
  await root.unmount({ mount_point: mount });
});

test('policies, tokens and AppRole', async () => {
  const policy = name();
  await root.addPolicy({ name: policy, rules: 'path "x" { capabilities = ["read"] }' });
  assert.ok((await root.policies()).data.keys.includes(policy));
  // A client that makes or renews a token goes on with it: not the one of the other calls.
  const maker = connect({ endpoint: process.env.VAULT_ADDR, token: process.env.VAULT_TOKEN });
  const made = await maker.tokenCreate({ policies: [policy], ttl: '10m' });
  assert.equal((await root.tokenLookup({ token: made.auth.client_token })).data.creation_ttl, 600);
  await maker.tokenRenewSelf({ increment: '5m' });
  await root.tokenRevoke({ token: made.auth.client_token });
  await assert.rejects(root.tokenLookup({ token: made.auth.client_token }), status(403));

  const mount = name();
  await root.enableAuth({ mount_point: mount, type: 'approle' });
  await root.write(`auth/${mount}/role/svc`, { token_policies: policy });
  const roleId = (await root.read(`auth/${mount}/role/svc/role-id`)).data.role_id;
  const secretId = (await root.write(`auth/${mount}/role/svc/secret-id`)).data.secret_id;
  const service = connect({ endpoint: process.env.VAULT_ADDR });
  const login = await service.approleLogin({ mount_point: mount, role_id: roleId, secret_id: secretId });
  assert.equal(service.token, login.auth.client_token);
  await assert.rejects(service.read('sys/mounts'), status(403));
  await root.disableAuth({ mount_point: mount });
  await root.removePolicy({ name: policy });
});

test('wrapping', async () => {
  const wrapped = await root.write('sys/wrapping/wrap', { x: '1' }, { headers: { 'X-Vault-Wrap-TTL': '60' } });
  assert.deepEqual((await root.unwrap({ token: wrapped.wrap_info.token })).data, { x: '1' });
  await assert.rejects(root.unwrap({ token: wrapped.wrap_info.token }), status(400));
});
