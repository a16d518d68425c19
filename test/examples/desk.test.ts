import { afterEach, describe, expect, it } from 'vitest';
import { Clients, clientId } from '../support/client.ts';
import { agent, customer, SECRET, supervisor } from '../support/server.ts';
import { Desk, Example, EXAMPLES, PYTHON } from './support.ts';

const AGENT = `${EXAMPLES}/node/agent.mjs`;
const CUSTOMERS = `${EXAMPLES}/node/customers.mjs`;
const REPORT = `${EXAMPLES}/python/desk_report.py`;
const DAY = `${EXAMPLES}/desk/run-desk.mjs`;

/** Short, so that what hangs on a lease is seen soon; long enough for a process that has to share its machine. */
const LIMITS = { DESKWIRE_LIMITS: JSON.stringify({ agentLeaseMs: 4_000 }) };
const DAY_MS = 150_000;

let desk: Desk | undefined;
let examples: Example[] = [];
const clients = new Clients();

const start = async (env: Record<string, string> = {}): Promise<Desk> => {
  desk = new Desk(env);
  await desk.start();
  return desk;
};

const run = (example: Example): Example => {
  examples.push(example);
  return example;
};

const terminal = (url: string, sub: string, name: string, ...args: string[]): Example =>
  run(Example.of(process.execPath, [AGENT, url, ...args], agent(sub, { name, departments: ['support'] })));

afterEach(async () => {
  clients.closeAll();
  for (const example of examples) await example.kill();
  examples = [];
  await desk?.remove();
});

describe('a desk run from the scripts', () => {
  it(
    '[DESK-1] three agents and ten customers, through closing laptops, second devices, transfers and lunch breaks',
    async () => {
      const { url } = await start(LIMITS);
      const day = run(new Example(process.execPath, [DAY, url], '', { DESKWIRE_JWT_SECRET: SECRET }));
      const code = await day.exitCode();
      expect(day.errors).toBe('');
      expect(code, day.lines.join('\n')).toBe(0);
      expect(day.lines).toContain('   ok: 10 of 10 customers are served');
      expect(day.lines.filter((line) => line.startsWith('== '))).toHaveLength(13);
    },
    DAY_MS,
  );

  it('[DESK-1] says what is not as expected, and ends with 1: nobody routes on a manual desk', async () => {
    const { url } = await start({ ...LIMITS, DESKWIRE_ROUTING: 'manual' });
    const day = run(new Example(process.execPath, [DAY, url], '', { DESKWIRE_JWT_SECRET: SECRET }));
    expect(await day.exitCode()).toBe(1);
    expect(day.errors).toMatch(/NOT AS EXPECTED: .*nine are with somebody/);
  }, 60_000);

  it('[DESK-1] leaves a desk alone that is in use', async () => {
    const { url } = await start();
    const bob = await clients.connect(url, agent('bob', { name: 'Bob' }));
    await bob.request('agent:status', { status: 'online' });
    const day = run(new Example(process.execPath, [DAY, url], '', { DESKWIRE_JWT_SECRET: SECRET }));
    expect(await day.exitCode()).toBe(2);
    expect(day.errors).toMatch(/in use/);
  });
});

describe('the agent at a terminal', () => {
  it('[DESK-1] takes, answers, notes, transfers and closes what is typed', async () => {
    const { url } = await start({ DESKWIRE_ROUTING: 'manual' });
    const bob = terminal(url, 'bob', 'Bob');
    await bob.line('ready as Bob (agent)');
    bob.type('online 1');
    await bob.line('you are online, with 0 of 1');
    const ann = await clients.connect(url, customer('ann', { name: 'Ann' }));
    await ann.request('message:send', { clientMessageId: clientId(), text: 'Where is my order?' });
    await bob.line('#1 Ann waits at place 1: Where is my order?');
    bob.type('list');
    await bob.line('#1 Ann: waits at place 1 (normal, no_history)');
    bob.type('claim 1');
    await bob.line('#1 yours: Ann (claimed)');
    const ben = await clients.connect(url, customer('ben', { name: 'Ben' }));
    await ben.request('message:send', { clientMessageId: clientId(), text: 'And mine?' });
    await bob.line('#2 Ben waits at place 1: And mine?');
    bob.type('claim 2');
    await bob.line(/^refused: capacity_reached: /);
    bob.type('say 1 On its way.');
    await ann.event('message:created', ({ text }) => text === 'On its way.');
    bob.type('note 1 A regular.');
    await bob.line('#1 Bob (note): A regular.');
    expect(ann.all('message:created').map(({ text }) => text)).not.toContain('A regular.');

    bob.type('transfer 1 Cleo');
    await bob.line(/^refused: there is no agent Cleo/);
    const cleo = terminal(url, 'cleo', 'Cleo');
    await cleo.line('ready as Cleo (agent)');
    bob.type('transfer 1 Cleo She knows');
    await bob.line(/^refused: agent_unavailable: /);
    cleo.type('online');
    await bob.line('Cleo is online, with 0 of 10');
    bob.type('transfer 1 cleo She knows');
    await bob.line('#1 no longer yours: Cleo has Ann (transferred: She knows)');
    const yours = await cleo.line(/yours: Ann \(transferred: She knows\)$/);
    cleo.type(`close ${String(/^#(\d+)/.exec(yours)?.[1])} All well`);
    await cleo.line(/closed: Ann \(All well\)$/);
    bob.type('nonsense');
    await bob.line('what is "nonsense"? Try help.');
    bob.endInput();
    expect(await bob.exitCode()).toBe(0);
    expect(bob.errors).toBe('');
  });

  it('[DESK-1] accepts and declines offers', async () => {
    const { url } = await start({ DESKWIRE_ROUTING: 'offer' });
    const bob = terminal(url, 'bob', 'Bob');
    await bob.line('ready as Bob (agent)');
    bob.type('online');
    await bob.line(/^you are online/);
    const ann = await clients.connect(url, customer('ann', { name: 'Ann' }));
    await ann.request('message:send', { clientMessageId: clientId(), text: 'Hello?' });
    await bob.line(/^#1 offered to you: Ann, until /);
    bob.type('decline 1');
    await bob.line('#1 no longer offered to you (declined)');
    const ben = await clients.connect(url, customer('ben', { name: 'Ben' }));
    await ben.request('message:send', { clientMessageId: clientId(), text: 'Anybody?' });
    await bob.line(/^#2 offered to you: Ben, until /);
    bob.type('accept 2');
    await bob.line('#2 yours: Ben (routed)');
    bob.type('accept 1');
    await bob.line('refused: #1 is not offered to you');
  });

  it('[DESK-1] works by itself, and goes on after SIGKILL of the server', async () => {
    const { url } = await start();
    const bob = terminal(url, 'bob', 'Bob', '--auto', '--pause', '300', '--capacity', '2');
    await bob.line('you are online, with 0 of 2');
    const customers = run(new Example(process.execPath, [CUSTOMERS, url, '--count', '4', '--every', '50'], ''));
    await customers.line(/^\w+: hears from Bob: /);
    await desk?.kill();
    await bob.line(/^disconnected/);
    await desk?.start();
    expect(await customers.exitCode(), customers.lines.join('\n')).toBe(0);
    await customers.line('4 of 4 customers are served');
    const answers = customers.lines.filter((line) => line.includes('I have looked into it'));
    expect(answers).toHaveLength(4);
    expect(new Set(answers).size).toBe(4);
  }, 60_000);
});

describe('the report in Python', () => {
  it('[DESK-1] says who is there, who waits where, and how long', async () => {
    const { url } = await start({ DESKWIRE_ROUTING: 'manual' });
    const bob = await clients.connect(url, agent('bob', { name: 'Bob', departments: ['support'] }));
    await bob.request('agent:status', { status: 'away', capacity: 3 });
    for (const [sub, name, priority] of [
      ['ann', 'Ann', 'normal'],
      ['ben', 'Ben', 'urgent'],
    ] as const) {
      const asking = await clients.connect(url, customer(sub, { name }));
      await asking.request('conversation:open', { priority, message: { clientMessageId: clientId(), text: 'Hello' } });
    }
    const report = run(Example.of(PYTHON, [REPORT, url], supervisor('mo', { name: 'Mo' })));
    expect(await report.exitCode(), report.errors).toBe(0);
    expect(report.lines).toContain('waiting: 2');
    await report.line(/^ {2}Bob +agent +away +0 of 3 +support$/);
    const places = report.lines
      .filter((line) => /^ +\d/.test(line))
      .map((line) => line.trim().split(/\s+/).slice(0, 2));
    expect(places).toEqual([
      ['1', 'Ben'],
      ['2', 'Ann'],
    ]);
    await report.line(/^oldest wait: 0:\d\d \(Ann\)$/);
    const stranger = run(new Example(PYTHON, [REPORT, url], 'not-a-token'));
    expect(await stranger.exitCode()).toBe(1);
    expect(stranger.errors).toMatch(/^refused: token_invalid: /);
  });
});
