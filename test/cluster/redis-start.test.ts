import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { connectRedis } from '../../src/cluster/connections.ts';
import { RedisStartError } from '../../src/cluster/start-error.ts';
import { redisPlace } from '../../src/server/redis-settings.ts';
import {
  freePorts,
  MASTER_NAME,
  startCluster,
  startRedis,
  startSentinels,
  type TestCluster,
  type TestRedis,
  type TestSentinels,
} from '../support/redis.ts';
import { both, ending, keptLog, listen, note, startNode } from './support.ts';
import { until } from '../support/until.ts';

const SECRET = 'hunter2';

let plain: TestRedis;
let locked: TestRedis;
let secure: TestRedis;
let sentinels: TestSentinels;
let cluster: TestCluster;
beforeAll(async () => {
  [plain, locked, secure, sentinels, cluster] = await Promise.all([
    startRedis(),
    startRedis({ password: SECRET }),
    startRedis({ tls: true, password: 'p@ss/w:rd%' }),
    startSentinels(),
    startCluster(),
  ]);
});
afterAll(() => Promise.all([plain, locked, secure, sentinels, cluster].map((started) => started.stop())));

/** Why a start with this address is refused. */
const refusal = async (url: string): Promise<string> => {
  const log = keptLog();
  try {
    const connections = await connectRedis({ place: redisPlace(url), log });
    await connections.close();
  } catch (error) {
    expect(error).toBeInstanceOf(RedisStartError);
    const { message } = error as Error;
    expect(message).toMatch(/^REDIS_URL: /);
    expect(message).not.toContain(SECRET);
    return message;
  }
  throw new Error(`expected it to be refused; logged: ${JSON.stringify(log.lines)}`);
};

/** A server that says one thing to whatever it is asked. */
const saying = async (answer: (question: string) => string): Promise<string> => {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => socket.write(answer(bytes.toString())));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return `127.0.0.1:${String((server.address() as AddressInfo).port)}`;
};

describe('a start with Redis', () => {
  it('is refused with a wrong password, with none, and with one too many', async () => {
    const at = `127.0.0.1:${String(locked.port)}`;
    expect(await refusal(`redis://:${SECRET}x@${at}`)).toContain('does not know this user and password');
    expect(await refusal(`redis://nobody:${SECRET}@${at}`)).toContain('does not know this user and password');
    expect(await refusal(`redis://${at}`)).toContain('asks for a password');
    expect(await refusal(`redis://:${SECRET}@127.0.0.1:${String(plain.port)}`)).toContain('has no password');
  });

  it('is refused without the rights, and works with those that it names', async () => {
    await locked.command(
      'ACL',
      'SETUSER',
      'weak',
      'on',
      `>${SECRET}`,
      '+ping',
      '+info',
      '+spublish',
      '+ssubscribe',
      '&other:*',
    );
    const url = `redis://weak:${SECRET}@127.0.0.1:${String(locked.port)}`;
    const message = await refusal(url);
    const rights = /ACL SETUSER <user> (.*)$/.exec(message)?.[1]?.split(' ') ?? [];
    expect(rights).toContain('&deskwire:*');
    await locked.command('ACL', 'SETUSER', 'weak', ...rights);
    const [a, b] = [await startNode(url), await startNode(url)];
    const { heard, end } = await listen(b, 'c_1');
    a.bus.publish('c_1', note('one'));
    await until('the note', () => heard.length === 1);
    end();
    expect([...a.log.lines, ...b.log.lines].filter(({ level }) => level !== 'info')).toEqual([]);
  });

  it.each(['ping', 'info', 'spublish', 'ssubscribe', 'sunsubscribe'])(
    'is refused to a user who may do all but %s, by its name, and works once it is given',
    async (command) => {
      await locked.command('ACL', 'SETUSER', 'almost', 'reset', 'on', `>${SECRET}`, '+@all', `-${command}`, '&*');
      const url = `redis://almost:${SECRET}@127.0.0.1:${String(locked.port)}`;
      const message = await refusal(url);
      expect(message).toContain(`has no right +${command} at 127.0.0.1:${String(locked.port)}`);
      expect(/ACL SETUSER <user> (.*)$/.exec(message)?.[1]?.split(' ')).toContain(`+${command}`);
      await locked.command('ACL', 'SETUSER', 'almost', `+${command}`);
      expect((await startNode(url)).bus.connected).toBe(true);
    },
  );

  it('is refused when one server of the cluster, or a sentinel, does not give a right', async () => {
    const lacking = async (server: { command: TestRedis['command'] } | undefined, user: string, right: string) =>
      server?.command('ACL', 'SETUSER', user, 'on', `>${SECRET}`, 'allcommands', 'allchannels', right);
    for (const [index, node] of cluster.nodes.entries())
      await lacking(node, 'desk', index === 1 ? '-sunsubscribe' : '+sunsubscribe');
    const at = cluster.url.replace('//', `//desk:${SECRET}@`);
    expect(await refusal(at)).toContain(`no right +sunsubscribe at 127.0.0.1:${String(cluster.nodes[1]?.port)}`);
    await lacking(cluster.nodes[1], 'desk', '-cluster|slots');
    expect(await refusal(at)).toContain('no right +cluster|slots');
    await lacking(cluster.nodes[1], 'desk', '+cluster|slots');
    await lacking(cluster.nodes[1], 'desk', '+sunsubscribe');
    expect((await startNode(at)).bus.connected).toBe(true);

    for (const sentinel of sentinels.sentinels) await lacking(sentinel, 'desk', '-sentinel|sentinels');
    const message = await refusal(`${sentinels.url}?sentinelUser=desk&sentinelPassword=${SECRET}`);
    expect(message).toMatch(/no right \+sentinel\|sentinels .*ACL SETUSER <user> \+sentinel\|sentinels$/);
  });

  it('goes on with a cluster that has slots without a server, says so, and finds them later', async () => {
    const [busPort = 0] = await freePorts(1);
    const alone = ending(await startRedis({ config: ['cluster-enabled yes', `cluster-port ${String(busPort)}`] }));
    const url = `redis+cluster://127.0.0.1:${String(alone.port)}`;
    const expectTold = ({ log }: { log: ReturnType<typeof keptLog> }, reason: RegExp): void => {
      expect(log.lines).toEqual([
        {
          level: 'error',
          message: expect.stringMatching(
            /^REDIS_URL: .*slots that no server serves.*redis-cli --cluster check/,
          ) as string,
          fields: { redis: expect.any(String) as string, reason: expect.stringMatching(reason) as string },
        },
      ]);
    };
    // Redis itself says so only of a slot that is missing; of the others the map tells.
    const empty = await startNode(url);
    expectTold(empty, /CLUSTERDOWN/);
    await alone.command('CLUSTER', 'ADDSLOTSRANGE', 0, 16_382);
    const partial = await startNode(url);
    expectTold(partial, /1 of 16384 slots are served by nobody/);
    await alone.command('CLUSTER', 'ADDSLOTS', 16_383);
    await both([empty, partial], true, 10_000);
  });

  it('is refused with a version before 7.0', async () => {
    const info = '# Server\r\nredis_version:6.2.14\r\nredis_mode:standalone\r\n';
    const old = await saying(() => `$${String(info.length)}\r\n${info}\r\n`);
    expect(await refusal(`redis://${old}`)).toMatch(/version 6\.2\.14.*7\.0.*Upgrade/);
  });

  it('is refused when the address says otherwise than what is there', async () => {
    const first = String(cluster.nodes[0]?.port);
    const sentinel = String(sentinels.sentinels[0]?.port);
    expect(await refusal(`redis://127.0.0.1:${first}`)).toContain(`redis+cluster://127.0.0.1:${first}`);
    expect(await refusal(`redis+cluster://127.0.0.1:${String(plain.port)}`)).toContain('is not part of a cluster');
    expect(await refusal(`redis://127.0.0.1:${sentinel}`)).toContain(`redis+sentinel://127.0.0.1:${sentinel}`);
    expect(await refusal(`redis+sentinel://127.0.0.1:${String(plain.port)}/x`)).toContain(
      'is a server, not a sentinel',
    );
  });

  it('is refused with a name of a master that no sentinel knows, and told which they know', async () => {
    expect(await refusal(sentinels.url.replace(MASTER_NAME, 'mymaster'))).toMatch(/mymaster.*deskwire-test/);
  });

  it('is refused when TLS cannot be', async () => {
    const at = secure.url.replace(/\?.*/, '');
    expect(await refusal(at)).toMatch(/not trusted.*\?ca=/);
    expect(await refusal(`rediss://127.0.0.1:${String(plain.port)}`)).toContain('does not speak TLS');
    expect(await refusal(`rediss://127.0.0.1:${String(locked.port)}`)).toContain('does not speak TLS');
    expect(await refusal(at.replace('rediss', 'redis'))).toContain('speaks TLS: write rediss');
  });

  it('works with TLS and a password', async () => {
    const [a, b] = [await startNode(secure.url), await startNode(secure.url)];
    const { heard } = await listen(b, 'c_1');
    a.bus.publish('c_1', note('one'));
    await until('the note', () => heard.length === 1);
  });

  it('goes on without it when nobody answers, or nothing that Redis would say', async () => {
    for (const url of [
      'redis://127.0.0.1:1',
      'redis+cluster://127.0.0.1:1',
      'redis+sentinel://127.0.0.1:1/x',
      'redis://no-such-host.invalid',
    ]) {
      const node = await startNode(url);
      expect(node.bus.connected).toBe(false);
      expect(node.log.lines.map(({ level, message }) => [level, message.slice(0, 35)])).toEqual([
        ['error', 'REDIS_URL: Redis cannot be reached.'],
      ]);
      await listen(node, 'c_1');
      node.bus.publish('c_1', note('lost'));
      node.bus.nudge();
    }
  });

  it('goes on while it loads its data, and finds it later', async () => {
    let loading = true;
    const info = '# Server\r\nredis_version:7.2.0\r\nredis_mode:standalone\r\n';
    const at = await saying(() =>
      loading ? '-LOADING Redis is loading the dataset in memory\r\n' : `$${String(info.length)}\r\n${info}\r\n`,
    );
    const node = await startNode(`redis://${at}`);
    loading = false;
    expect(node.log.lines[0]).toMatchObject({
      level: 'error',
      fields: { reason: expect.stringContaining('LOADING') as string },
    });
  });
});
