import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { wholeLog } from '../examples/support.ts';
import { Clients, clientId } from '../support/client.ts';
import { agent, customer, supervisor } from '../support/server.ts';
import { until } from '../support/until.ts';
import { awaitNodes, startDeployment, type Deployment } from './deployment.ts';
import { JavaScriptMember, PythonMember, type Member } from './member.ts';

const CONVERSATIONS = 2;
const PACE_MS = 40;
/** A heartbeat's time is not needed: connections are cut, and clients begin to come back after 200 ms. */
const BACK_MS = 15_000;

let desk: Deployment;
const members: Member[] = [];
const clients = new Clients();

beforeEach(async () => {
  desk = await startDeployment({ DESKWIRE_ROUTING: 'manual' });
  await awaitNodes(desk, 3);
});
afterEach(async () => {
  for (const member of members.splice(0)) member.close();
  clients.closeAll();
  await desk.stop();
});

/** A customer over WebSocket, an agent over JavaScript's polling and a supervisor over Python's, all of whom send. */
const openConversation = async (index: number): Promise<string> => {
  const name = (role: string): string => `${role}-${String(index)}`;
  const opener = await clients.connect(desk.proxy.url, customer(name('customer')));
  const { entry } = await opener.request('message:send', { clientMessageId: clientId(), text: 'Hello' });
  opener.close();
  const { conversationId } = entry;
  const common = { url: desk.proxy.url, conversationId, paceMs: PACE_MS };
  members.push(
    new JavaScriptMember({ ...common, identity: customer(name('customer')) }, ['websocket']),
    new JavaScriptMember({ ...common, identity: agent(name('agent')) }, ['polling']),
    new PythonMember({ ...common, identity: supervisor(name('supervisor')) }),
  );
  return conversationId;
};

const everybodyIn = async (sessions: number): Promise<void> => {
  for (const member of members)
    await until(`session ${String(sessions)} of ${member.name}`, () => member.sessions >= sessions, BACK_MS);
};

/** All that was acknowledged stands in the log once and in order, and everybody has seen all of the log, once and in order. */
const checkAccounts = async (conversationIds: readonly string[]): Promise<number> => {
  await Promise.all(members.map((member) => member.stop()));
  const reader = await clients.connect(desk.proxy.url, supervisor('reader'));
  let messages = 0;
  for (const [index, conversationId] of conversationIds.entries()) {
    const log = await wholeLog(reader, conversationId);
    expect(log.map(({ seq }) => seq)).toEqual(log.map((_, at) => at + 1));
    for (const member of members.slice(index * 3, index * 3 + 3)) {
      const { seen, faults } = await member.account(log.length);
      expect(faults, member.name).toEqual([]);
      expect(seen, member.name).toEqual(log.map(({ seq, id }) => [seq, id]));
      const kept = log.flatMap((entry) =>
        entry.type === 'message:created' && entry.author?.id === member.name && entry.text !== 'Hello'
          ? [entry.clientMessageId]
          : [],
      );
      expect(kept, member.name).toEqual(Array.from({ length: member.sent }, (_, at) => `${member.name}-${String(at)}`));
      messages += member.sent;
    }
  }
  return messages;
};

/** Waits until everybody has had so many more messages acknowledged. */
const everybodyGoesOn = async (more: number): Promise<void> => {
  const before = members.map(({ sent }) => sent);
  for (const [index, member] of members.entries())
    await until(`messages of ${member.name}`, () => member.sent >= (before[index] ?? 0) + more, BACK_MS);
};

const openAll = async (): Promise<string[]> => {
  const conversationIds: string[] = [];
  for (let index = 0; index < CONVERSATIONS; index += 1) conversationIds.push(await openConversation(index));
  await everybodyIn(1);
  return conversationIds;
};

describe('three nodes behind the proxy', () => {
  it('[DRAIN-1] are restarted one after the other: clients of three kinds come back by themselves, miss nothing and send nothing twice', async () => {
    const conversationIds = await openAll();
    const codes = await desk.restartAll(async () => {
      await awaitNodes(desk, 3);
      // Whoever was cut is back before the next node goes.
      await everybodyGoesOn(10);
    });
    expect(codes).toEqual([0, 0, 0]);
    // Every node was gone once, so everybody was cut at least once.
    await everybodyIn(2);
    expect(await checkAccounts(conversationIds)).toBeGreaterThan(200);
  }, 120_000);

  it('[MSG-6] lose one to SIGKILL: its clients go on at the others', async () => {
    const conversationIds = await openAll();
    const [killed] = desk.nodes;
    const before = members.map(({ sessions }) => sessions);
    await killed.end('SIGKILL');
    await until(
      'somebody to come back',
      () => members.some(({ sessions }, index) => sessions > (before[index] ?? 0)),
      BACK_MS,
    );
    await everybodyGoesOn(10);
    // Those of the dead node are all back, since everybody got answers.
    await checkAccounts(conversationIds);
    // And when it returns, nobody is cut a second time, though cookies of the time before still name it.
    const since = members.map(({ sessions }) => sessions);
    await killed.start();
    await awaitNodes(desk, 3);
    expect(members.map(({ sessions }) => sessions)).toEqual(since);
  }, 120_000);
});
