// The vendor's client of alidns, and its general call for slb, against the fake at the URL given.
import assert from 'node:assert/strict';
import {createRequire} from 'node:module';

const require = createRequire(import.meta.url);
const Dns = require('@alicloud/alidns20150109');
const Core = require('@alicloud/openapi-core');
const dara = require('@darabonba/typescript');

const url = new URL(process.argv[2]);

function config(keys) {
  return new Core.$OpenApiUtil.Config({
    accessKeyId: 'testid', accessKeySecret: 'testsecret', protocol: 'HTTP', endpoint: url.host,
    ...keys,
  });
}
const dns = (keys) => new Dns.default(config(keys));

async function refusedWith(code, promise) {
  await assert.rejects(promise, (error) => {
    assert.equal(error.code, code);
    return true;
  });
}

const list = async (client, subDomain) => (await client.describeSubDomainRecords(
    new Dns.DescribeSubDomainRecordsRequest({domainName: 'example.test', subDomain})))
    .body.domainRecords.record;

// Reads and writes, as the vendor signs and spells them.
const client = dns();
const [record] = await list(client, 'www.example.test');
assert.equal(record.value, '192.0.2.10');
const update = {recordId: record.recordId, RR: 'www', type: 'A', value: '198.51.100.20',
                line: 'default', TTL: 60};
assert.equal((await client.updateDomainRecord(new Dns.UpdateDomainRecordRequest(update)))
                 .body.recordId, record.recordId);
const [moved] = await list(client, 'www.example.test');
assert.equal(moved.value, '198.51.100.20');
assert.equal(moved.TTL, 60);
await refusedWith('DomainRecordDuplicate',
                  client.updateDomainRecord(new Dns.UpdateDomainRecordRequest(update)));
await refusedWith('QuotaExceeded.TTL', client.updateDomainRecord(
    new Dns.UpdateDomainRecordRequest({...update, TTL: 1})));
// What is left out is reset, not kept.
await client.updateDomainRecord(new Dns.UpdateDomainRecordRequest(
    {recordId: record.recordId, RR: 'www', type: 'A', value: '192.0.2.10'}));
assert.equal((await list(client, 'www.example.test'))[0].TTL, 600);

// Awkward characters, signed one way and sent another.
assert.equal((await list(client, '*.a_b.example.test')).length, 1);
await client.updateDomainRecordRemark(new Dns.UpdateDomainRecordRemarkRequest(
    {recordId: record.recordId, remark: '主站,pm._pim-api_e2.'}));
assert.equal((await list(client, 'www.example.test'))[0].remark, '主站,pm._pim-api_e2.');
const {body: added} = await client.addDomainRecord(new Dns.AddDomainRecordRequest(
    {domainName: 'example.test', RR: 'txt', type: 'TXT', TTL: 600, line: 'default',
     value: "v=1; k=a+b/c==~!'()*& %25\t中文😀"}));
assert.equal((await list(client, 'txt.example.test'))[0].value,
             "v=1; k=a+b/c==~!'()*& %25\t中文😀");
await client.deleteDomainRecord(new Dns.DeleteDomainRecordRequest({recordId: added.recordId}));
assert.equal((await list(client, 'txt.example.test')).length, 0);

const {body: domain} = await client.describeDomainInfo(new Dns.DescribeDomainInfoRequest(
    {domainName: 'example.test', needDetailAttributes: true}));
assert.equal(domain.minTtl, 60);
assert.deepEqual(domain.dnsServers.dnsServer, ['127.0.0.1']);

// Keys: STS, a wrong secret, an unknown id.
const sts = {accessKeyId: 'STS.testid', securityToken: 'CAIS/dummy+token==/abc'};
assert.equal((await list(dns(sts), 'www.example.test')).length, 1);
await refusedWith('InvalidSecurityToken.Expired',
                  list(dns({...sts, securityToken: 'older'}), 'www.example.test'));
await refusedWith('SignatureDoesNotMatch',
                  list(dns({accessKeySecret: 'wrong'}), 'www.example.test'));
await refusedWith('InvalidAccessKeyId.NotFound',
                  list(dns({accessKeyId: 'unknown'}), 'www.example.test'));

// The load balancer, through the general call that every client of the vendor is made of.
async function slb(action, query) {
  const params = new Core.$OpenApiUtil.Params({
    action, version: '2014-05-15', protocol: 'HTTP', pathname: '/', method: 'POST', authType: 'AK',
    style: 'RPC', reqBodyType: 'formData', bodyType: 'json',
  });
  const request = new Core.$OpenApiUtil.OpenApiRequest({query: {
    RegionId: 'cn-hangzhou', LoadBalancerId: 'lb-1', ...query}});
  const general = new Core.default(config());
  return (await general.callApi(params, request, new dara.RuntimeOptions({}))).body;
}
await slb('SetBackendServers', {BackendServers: JSON.stringify([
  {ServerId: 'i-sh', Weight: '100', Type: 'ecs'}, {ServerId: 'i-hz', Weight: '0', Type: 'ecs'}])});
const {BackendServers: servers} = await slb('DescribeLoadBalancerAttribute', {});
assert.deepEqual(servers.BackendServer.map((s) => [s.ServerId, s.Weight]),
                 [['i-hz', 0], ['i-sh', 100]]);
console.log('the vendor\'s client and the fake agree');
