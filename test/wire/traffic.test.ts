import { parse, stringify } from 'yaml';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Clients, type TestClient } from '../support/client.ts';
import { customer, startServer, supervisor, tokenFor } from '../support/server.ts';
import { until } from '../support/until.ts';
import { BYTES, COMMITTED, readDocument } from './document.ts';
import { playScenario, SCENARIO_SERVER } from './scenario.ts';
import { record, TrafficCheck, type Traffic } from './traffic.ts';

const document = readDocument(COMMITTED);
const clients = new Clients();
afterEach(() => {
  clients.closeAll();
});

/** A token that ends soon, but not before the connection is there to hear of it. */
const SHORT_SECONDS = 2;
/** Enough for the scenario, where one thing follows the other. */
const FEW_REQUESTS = 4;

/** Everything the server and its clients say to each other, from the first handshake to the drain. */
const recordDay = async (transport: 'websocket' | 'polling'): Promise<Traffic[][]> => {
  const limits = { ...SCENARIO_SERVER.limits, requestsInFlight: FEW_REQUESTS };
  const server = await startServer({ ...SCENARIO_SERVER, limits });
  const recorded: Traffic[][] = [];
  const open = (token: unknown): TestClient => {
    const client = clients.open(server.url, { token }, { transports: [transport] });
    recorded.push(record(client.socket));
    return client;
  };
  try {
    const stranger = open('no token');
    const told = until('connect_error', () => recorded[0]?.some(({ kind }) => kind === 'connect_error'));
    const { ann } = await playScenario((identity) => open(tokenFor(identity)).connected());
    await told;
    stranger.close();
    await Promise.all(Array.from({ length: 5 * FEW_REQUESTS }, () => ann.reply('conversation:list', {})));
    await ann.request('session:refresh', { token: tokenFor(customer('ann')) });
    await ann.refused('session:refresh', { token: tokenFor(customer('eve')) });
    const brief = await open(tokenFor(customer('brief'), SHORT_SECONDS)).connected();
    await brief.event('session:expiring');
    await brief.event('session:ended');
    const gone = await open(tokenFor(customer('gone'))).connected();
    const boss = await open(tokenFor(supervisor('boss'))).connected();
    await ann.refused('session:revoke', { userId: 'gone' });
    await boss.request('session:revoke', { userId: 'gone' });
    await gone.event('session:ended');
  } finally {
    await server.stop();
  }
  return recorded;
};

const checked = (recorded: readonly (readonly Traffic[])[], against = document): TrafficCheck => {
  const check = new TrafficCheck(against);
  for (const traffic of recorded) check.connection(traffic);
  return check;
};

describe('the wire', () => {
  it.each(['websocket', 'polling'] as const)(
    '[WIRE-1] carries over %s what the document says, all of it and nothing else',
    async (transport) => {
      const check = checked(await recordDay(transport));
      expect(check.problems).toEqual([]);
      expect(check.missing()).toEqual([]);
      expect(check.missingFields()).toEqual([]);
    },
  );
});

describe('the check itself', () => {
  /** Traffic as it should be; each test spoils a copy of it. */
  const good = (): Traffic[][] => structuredClone(recording);
  let recording: Traffic[][] = [];
  beforeAll(async () => {
    recording = await recordDay('websocket');
  });

  /** Every item of this kind and name, to be changed in place. */
  const find = (recorded: Traffic[][], kind: 'event' | 'request', name: string) =>
    recorded.flat().filter((item) => item.kind === kind && item.name === name) as Extract<
      Traffic,
      { kind: 'event' | 'request' }
    >[];

  const replyTo = (recorded: Traffic[][], name: string) => {
    for (const traffic of recorded) {
      const request = traffic.find((item) => item.kind === 'request' && item.name === name && item.id !== undefined);
      if (request?.kind !== 'request') continue;
      const reply = traffic.find((item) => item.kind === 'reply' && item.id === request.id);
      if (reply?.kind === 'reply') return { traffic, reply };
    }
    throw new Error(`nobody asked ${name}`);
  };

  const spoil = (
    value: unknown,
    path: readonly (string | number)[],
    change: (holder: Record<string, unknown>) => void,
  ): void => {
    let holder = value as Record<string, unknown>;
    for (const part of path) holder = holder[part] as Record<string, unknown>;
    change(holder);
  };

  it('[WIRE-1] sees a field that the document lacks, however deep', () => {
    const places: [string, (string | number)[]][] = [
      ['message:created', []],
      ['message:created', ['author']],
      ['conversation:opened', ['customer']],
      ['session:ready', ['limits']],
      ['request:failed', ['error']],
      ['typing:started', ['user']],
      ['server:draining', []],
    ];
    for (const [name, path] of places) {
      const recorded = good();
      spoil(find(recorded, 'event', name)[0]?.args[0], path, (holder) => (holder['surprise'] = 1));
      expect(checked(recorded).problems.join(), name).toMatch(new RegExp(`^${name}: .*surprise`));
    }
    const replies: [string, (string | number)[]][] = [
      ['conversation:join', []],
      ['conversation:join', ['data', 'conversation', 'customer']],
      ['conversation:join', ['data', 'entries', 0]],
      ['conversation:list', ['data', 'conversations', 0]],
      ['conversation:leave', ['data']],
    ];
    for (const [name, path] of replies) {
      const recorded = good();
      spoil(replyTo(recorded, name).reply.args[0], path, (holder) => (holder['surprise'] = 1));
      expect(checked(recorded).problems.join(), name).toMatch(new RegExp(`^${name}, reply: .*surprise`));
    }
  });

  it('[WIRE-1] can see it, because no object of the document is open', () => {
    const { components } = parse(COMMITTED) as { components: { messages: object; schemas: object } };
    const open: string[] = [];
    const walk = (value: unknown, path: string): void => {
      if (value === null || typeof value !== 'object') return;
      const schema = value as Record<string, unknown>;
      // Beside `allOf` the other members close it.
      if ('properties' in schema && schema['additionalProperties'] !== false && !path.includes('/allOf/'))
        open.push(path);
      for (const [key, member] of Object.entries(schema)) if (key !== 'examples') walk(member, `${path}/${key}`);
    };
    walk(components.messages, 'messages');
    walk(components.schemas, 'schemas');
    expect(open).toEqual([]);
  });

  it('[WIRE-1] sees a field that is missing, and one of another type', () => {
    const recorded = good();
    spoil(find(recorded, 'event', 'message:created')[0]?.args[0], [], (entry) => (entry['seq'] = '2'));
    spoil(find(recorded, 'event', 'session:ended')[0]?.args[0], [], (payload) => delete payload['code']);
    spoil(replyTo(recorded, 'typing:start').reply.args[0], ['data'], (data) => (data['expiresAt'] = 'soon'));
    const { problems } = checked(recorded);
    expect(problems).toHaveLength(3);
    expect(problems.join()).toMatch(/\/seq must be integer/);
    expect(problems.join()).toMatch(/required property 'code'/);
    expect(problems.join()).toMatch(/expiresAt/);
  });

  it('[WIRE-1] sees an event that the document lacks, and an error code that a request may not have', () => {
    const recorded = good();
    recorded[1]?.push({ kind: 'event', name: 'message:vanished', args: [{}] });
    const { traffic, reply } = replyTo(recorded, 'agent:status');
    const args = [{ ok: false, error: { code: 'edit_window_passed', message: '', retryable: false } }];
    traffic[traffic.indexOf(reply)] = { ...reply, args };
    const { problems } = checked(recorded);
    expect(problems).toHaveLength(2);
    expect(problems).toContain('the event message:vanished is not in the document');
    expect(problems.join()).toMatch(/agent:status, reply: .*\/error\/code must be equal to one of the allowed values/);
  });

  it('[WIRE-1] sees a second reply, none, one that nobody asked for, and a disconnect packet', () => {
    const recorded = good();
    const { traffic, reply } = replyTo(recorded, 'conversation:get');
    traffic.push(structuredClone(reply), { ...reply, id: 99_999 }, { kind: 'disconnect' });
    const { traffic: other, reply: lost } = replyTo(recorded, 'conversation:rate');
    other.splice(other.indexOf(lost), 1);
    const { problems } = checked(recorded);
    expect(problems).toContain('conversation:get: 2 replies');
    expect(problems).toContain('conversation:rate: 0 replies');
    expect(problems).toContain('a reply to 99999, which nobody asked');
    expect(problems.join()).toContain('disconnect packet');
  });

  it('[WIRE-1] sees that a payload was taken which the document refuses', () => {
    const recorded = good();
    for (const request of find(recorded, 'request', 'conversation:leave'))
      spoil(request.args[0], [], (payload) => (payload['why'] = 'x'));
    expect(checked(recorded).problems.join()).toContain(
      'conversation:leave was done with a payload that the document refuses',
    );
  });

  it('[WIRE-1] sees that bytes were taken where the document has a text, and a text where it has bytes', () => {
    const recorded = good();
    for (const request of find(recorded, 'request', 'attachment:chunk'))
      spoil(request.args[0], [], (payload) => (payload['data'] = 'text'));
    expect(checked(recorded).problems.join()).toContain(
      'attachment:chunk was done with a payload that the document refuses: /data must match format',
    );
    const others = good();
    for (const request of find(others, 'request', 'typing:stop'))
      spoil(request.args[0], [], (payload) => (payload['conversationId'] = BYTES));
    expect(checked(others).problems.join()).toContain('typing:stop was done with a payload that the document refuses');
  });

  it('[WIRE-1] sees what of the document never was on the wire', () => {
    const recorded = good();
    const names = ['receipt:updated', 'session:expiring', 'server:draining'];
    const without = recorded.map((traffic) =>
      traffic.filter((item) => item.kind !== 'event' || !names.includes(item.name)),
    );
    expect(checked(without).missing().sort()).toEqual([...names].sort());
    const refused = replyTo(recorded, 'conversation:rate');
    expect(checked(recorded.map((traffic) => traffic.filter((item) => item !== refused.reply))).missing()).toEqual([
      'conversation:rate, done',
    ]);
    expect(checked(recorded.slice(1)).missing()).toEqual(['connect_error']);
    expect(checked([]).missingFields()).toHaveLength(document.optionalFields.size);
    expect(checked([]).missing()).toHaveLength(document.requests.size * 2 + document.events.size + 1);

    const more = parse(COMMITTED) as {
      channels: { namespace: { messages: Record<string, unknown> } };
      operations: Record<string, unknown>;
      components: { messages: Record<string, unknown> };
    };
    more.components.messages['fresh'] = {
      name: 'fresh:event',
      payload: { type: 'object', properties: {}, additionalProperties: false },
    };
    more.channels.namespace.messages['fresh'] = { $ref: '#/components/messages/fresh' };
    more.operations['fresh'] = {
      action: 'send',
      channel: { $ref: '#/channels/namespace' },
      messages: [{ $ref: '#/channels/namespace/messages/fresh' }],
    };
    expect(checked(recorded, readDocument(stringify(more))).missing()).toEqual(['fresh:event']);
  });
});
