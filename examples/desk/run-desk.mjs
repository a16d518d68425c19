#!/usr/bin/env node
// A day at the desk, played by itself: three agents (examples/node/agent.mjs) and ten customers
// (examples/node/customers.mjs) through rush hour, lunch, transfers, second devices and closing laptops, with what a
// desk manager would look at printed after each scene.
//
//   npm start                                                  (in another terminal)
//   node examples/desk/run-desk.mjs http://localhost:3000
//
// Tokens are made by `deskwire token`, so it needs the environment that the server runs in. Exit code 1 when a scene
// does not come out as expected in its time; 2 when the desk is in use.
import { execFile, spawn } from 'node:child_process';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { io } from 'socket.io-client';

const [url = 'http://localhost:3000'] = process.argv.slice(2);
const here = (path) => fileURLToPath(new URL(path, import.meta.url));

const CUSTOMERS = 10;
const CAPACITY = 3;
/** What follows from something at once is expected within this time, on a busy machine too. */
const SOON_MS = 10_000;
/** How much later than the end of a lease its consequences may be seen. */
const LEASE_GRACE_MS = 2_000;
const LOOK_MS = 100;
const ACK_TIMEOUT_MS = 10_000;

/** Ends the day; its message says what was not as expected. */
class NotAsExpected extends Error {}

// --- The manager: a supervisor who looks at everything ------------------------------------------------------------

const tokenOf = async (sub, name, role, ...departments) => {
  const named = departments.flatMap((department) => ['--department', department]);
  const args = [here('../../dist/cli/main.js'), 'token', '--role', role, '--sub', sub, '--name', name, ...named];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return stdout.trim();
};

let manager;
/** Everything `agent:presence` has said, in its order. */
const presence = [];

const ask = async (name, payload) => {
  const reply = await manager.timeout(ACK_TIMEOUT_MS).emitWithAck(name, payload);
  if (!reply.ok) throw new NotAsExpected(`${name}: ${reply.error.code}: ${reply.error.message}`);
  return reply.data;
};

const signIn = async () => {
  manager = io(url, { auth: { token: await tokenOf('manager', 'Mo', 'supervisor') }, transports: ['websocket'] });
  manager.on('agent:presence', ({ agent }) => presence.push(agent));
  return new Promise((resolve, reject) => {
    manager.on('session:ready', resolve);
    manager.on('connect_error', ({ data }) => data && reject(new NotAsExpected(`${data.code}: ${data.message}`)));
  });
};

/** The desk as it stands: `load` by agent, and the customers who wait, the next one first. */
const look = async () => {
  const [{ agents }, assigned, queued] = await Promise.all([
    ask('agent:list', {}),
    ask('conversation:list', { status: 'assigned' }),
    ask('conversation:list', { status: 'queued' }),
  ]);
  const waiting = queued.conversations.sort((a, b) => a.queue.position - b.queue.position);
  const of = (id) => assigned.conversations.filter(({ assignee }) => assignee.id === id);
  const desk = { agents: new Map(), waiting, assigned: assigned.conversations };
  for (const agent of agents) desk.agents.set(agent.id, { ...agent, has: of(agent.id) });
  return desk;
};

const names = (conversations) => conversations.map(({ customer }) => customer.name).join(', ') || '-';

const printDesk = ({ agents, waiting }) => {
  for (const { role, name, status, has, capacity } of agents.values()) {
    if (role === 'agent')
      console.log(`   ${name.padEnd(5)} ${status.padEnd(8)} ${has.length} of ${capacity}   ${names(has)}`);
  }
  console.log(
    `   queue ${waiting.map(({ customer, queue }) => `${queue.position}. ${customer.name}`).join('  ') || '-'}`,
  );
};

/** Looks until the desk is as expected; gives it then. */
const expectDesk = async (what, isSo, timeoutMs = SOON_MS) => {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const desk = await look();
    if (isSo(desk)) {
      printDesk(desk);
      console.log(`   ok: ${what}`);
      return desk;
    }
    if (Date.now() > deadline) {
      printDesk(desk);
      throw new NotAsExpected(`expected within ${timeoutMs} ms: ${what}`);
    }
    await sleep(LOOK_MS);
  }
};

const nameOf = ({ customer }) => customer.name;
const has = (desk, agent, customer) => desk.agents.get(agent.sub)?.has.some((one) => nameOf(one) === customer) ?? false;
const loadOf = (desk, agent) => desk.agents.get(agent.sub)?.has.length ?? 0;
const statusOf = (desk, agent) => desk.agents.get(agent.sub)?.status;
/** Within a department, who came first is served first. */
const inOldPlaces = (waiting) =>
  waiting.every((one) =>
    waiting.every(
      (other) =>
        other.department !== one.department ||
        other.queue.position <= one.queue.position ||
        other.createdAt >= one.createdAt,
    ),
  );
const firstOf = (desk, agent) => nameOf(desk.agents.get(agent.sub).has[0]);

// --- Processes: an agent's terminal, the customers -----------------------------------------------------------------

const children = [];

const start = (path, args, env = {}) => {
  const child = spawn(process.execPath, [here(path), url, ...args], { env: { ...process.env, ...env } });
  const lines = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  child.stderr.pipe(process.stderr);
  child.ended = new Promise((resolve) => child.on('exit', resolve));
  children.push(child);
  return { child, lines };
};

/** A line of a terminal that fits. */
const expectLine = async (device, fits, timeoutMs = SOON_MS) => {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const found = device.lines.map((line) => fits.exec(line)).find(Boolean);
    if (found) return found;
    if (Date.now() > deadline) {
      const printed = device.lines.slice(-5).join('\n   ');
      throw new NotAsExpected(`expected within ${timeoutMs} ms a line like ${fits}; the last lines are\n   ${printed}`);
    }
    await sleep(LOOK_MS);
  }
};

class Agent {
  constructor(sub, name, ...departments) {
    Object.assign(this, { sub, name, departments });
  }

  /** Opens a terminal with this agent's token. */
  async device(...args) {
    this.token ??= await tokenOf(this.sub, this.name, 'agent', ...this.departments);
    const device = start('../node/agent.mjs', args, { TOKEN: this.token });
    await expectLine(device, /^ready as /);
    return device;
  }

  async sitDown() {
    this.at = await this.device();
  }

  type(line) {
    this.at.child.stdin.write(`${line}\n`);
  }

  /** Types a command about a customer: `…` stands for the number that this terminal knows the conversation by. */
  async about(customer, command) {
    const [, n] = await expectLine(
      this.at,
      new RegExp(`^#(\\d+) (?:yours: ${customer} |${customer}:|${customer} waits)`),
    );
    this.type(command.replace('…', n));
  }

  leave() {
    this.at.child.kill('SIGKILL');
    return this.at.child.ended;
  }
}

const bob = new Agent('bob', 'Bob', 'support');
const cleo = new Agent('cleo', 'Cleo', 'support', 'billing');
const dan = new Agent('dan', 'Dan', 'billing');
const agents = [bob, cleo, dan];

// --- The day --------------------------------------------------------------------------------------------------------

const scene = (title) => console.log(`\n== ${title}`);

/** Answers a customer, and closes. */
const settle = async (agent, customer) => {
  await agent.about(customer, 'say … Here you are.');
  await agent.about(customer, 'close … Settled');
};

const day = async () => {
  const { limits } = await signIn();
  const goneMs = limits.agentLeaseMs + LEASE_GRACE_MS;
  const before = await look();
  const atWork = [...before.agents.values()].filter(({ status }) => status !== 'offline');
  if (before.waiting.length + before.assigned.length + atWork.length > 0) {
    printDesk(before);
    console.error('This desk is in use; run the day on a server with nobody online and nothing open.');
    return 2;
  }

  scene('Nine o’clock: ten customers are there before the first agent is');
  const customers = start('../node/customers.mjs', ['--count', String(CUSTOMERS), '--every', '50']);
  await expectDesk(
    'all ten wait, each in a place of his own, and know that nobody is online',
    ({ waiting }) =>
      waiting.length === CUSTOMERS &&
      waiting.every(({ queue }, index) => queue.position === index + 1 && queue.basis === 'nobody_online'),
  );

  scene('Bob, Cleo and Dan sit down, with room for three each');
  for (const agent of agents) {
    await agent.sitDown();
    agent.type(`online ${CAPACITY}`);
  }
  let desk = await expectDesk(
    'nine are with somebody, three each; one waits',
    (now) => agents.every((agent) => loadOf(now, agent) === CAPACITY) && now.waiting.length === 1,
  );

  scene('Bob settles his first case');
  const last = nameOf(desk.waiting[0]);
  await settle(bob, firstOf(desk, bob));
  desk = await expectDesk(
    `${last} is with Bob at once, and nobody waits`,
    (now) => has(now, bob, last) && now.waiting.length === 0,
  );

  scene('Lunch: Dan is away, settles one case at his sandwich; Cleo settles two; Bob gives one back');
  dan.type('away');
  await settle(dan, firstOf(desk, dan));
  for (const conversation of desk.agents.get('cleo').has.slice(0, 2)) await settle(cleo, nameOf(conversation));
  desk = await expectDesk(
    'Dan keeps two, Cleo has one',
    (now) => statusOf(now, dan) === 'away' && loadOf(now, dan) === 2 && loadOf(now, cleo) === 1,
  );
  const givenBack = firstOf(desk, bob);
  await bob.about(givenBack, 'release … My stomach rumbles');
  desk = await expectDesk(
    `${givenBack} is with Cleo: Dan has room, but he is at lunch`,
    (now) => has(now, cleo, givenBack) && loadOf(now, dan) === 2,
  );

  scene('Bob tries to hand a case to Dan, who is at lunch');
  const wanted = firstOf(desk, bob);
  await bob.about(wanted, 'transfer … Dan He knows the customer');
  await expectLine(bob.at, /^refused: agent_unavailable: /);
  desk = await expectDesk('refused, and nothing has changed', (now) => has(now, bob, wanted) && loadOf(now, bob) === 2);

  scene('Dan is back, and Bob tries again');
  dan.type('online');
  await expectDesk('Dan is online', (now) => statusOf(now, dan) === 'online');
  await bob.about(wanted, 'transfer … Dan He knows the customer');
  desk = await expectDesk(
    `Dan has ${wanted}`,
    (now) => has(now, dan, wanted) && loadOf(now, dan) === 3 && loadOf(now, bob) === 1,
  );
  await expectLine(dan.at, new RegExp(`yours: ${wanted} \\(transferred: He knows the customer\\)`));
  await expectLine(customers, new RegExp(`^${wanted}: is with Dan`));
  console.log(`   ok: Dan reads Bob’s note, and ${wanted} reads who answers`);

  scene('Bob hands a case to a department: billing');
  const bill = firstOf(desk, bob);
  await bob.about(bill, 'transfer … #billing An invoice');
  desk = await expectDesk(
    `${bill} is with Cleo, who is of billing and has room; Bob has nothing`,
    (now) => has(now, cleo, bill) && loadOf(now, bob) === 0,
  );

  scene('Cleo opens a second device, and her first one dies');
  const second = await cleo.device();
  const hers = desk.agents.get('cleo').has.map(nameOf);
  presence.length = 0;
  await cleo.leave();
  cleo.at = second;
  await sleep(goneMs);
  desk = await expectDesk(
    `${goneMs / 1000} s later she is online as before, and has what she had`,
    (now) => statusOf(now, cleo) === 'online' && hers.every((customer) => has(now, cleo, customer)),
  );
  if (presence.some(({ id, status }) => id === 'cleo' && status !== 'online'))
    throw new NotAsExpected('expected that nobody is told that Cleo is gone');

  scene('Dan closes his laptop');
  const his = desk.agents.get('dan').has.map(nameOf);
  const room = 2 * CAPACITY - loadOf(desk, bob) - loadOf(desk, cleo);
  const moved = Math.min(room, his.length);
  dan.at.child.kill('SIGSTOP');
  desk = await expectDesk(
    `within ${goneMs / 1000} s Dan is offline, and ${moved} of his ${his.length} customers are with Bob and Cleo`,
    (now) =>
      statusOf(now, dan) === 'offline' &&
      loadOf(now, dan) === 0 &&
      now.waiting.length === his.length - moved &&
      his.every(
        (customer) =>
          has(now, bob, customer) || has(now, cleo, customer) || now.waiting.some((w) => nameOf(w) === customer),
      ),
    goneMs + SOON_MS / 10,
  );

  scene('Cleo goes home; what she has goes back to the queue, and to Bob as far as he has room');
  cleo.type('offline');
  const open = desk.assigned.length + desk.waiting.length;
  desk = await expectDesk(
    'Bob has three, the others wait in their old places',
    (now) =>
      statusOf(now, cleo) === 'offline' &&
      loadOf(now, bob) === CAPACITY &&
      now.waiting.length === open - CAPACITY &&
      inOldPlaces(now.waiting),
  );

  scene('Dan opens his laptop again');
  dan.at.child.kill('SIGCONT');
  desk = await expectDesk(
    'he is online without a word, and has who waited',
    (now) => statusOf(now, dan) === 'online' && loadOf(now, dan) === Math.min(CAPACITY, open - CAPACITY),
    goneMs + SOON_MS,
  );

  scene('The rest of the day: everybody’s terminal works by itself');
  for (const agent of agents) {
    const by = await agent.device('--auto', '--pause', '300', '--capacity', String(CAPACITY));
    await agent.leave();
    agent.at = by;
  }
  await expectDesk('nothing is open any more', (now) => now.waiting.length + now.assigned.length === 0, SOON_MS * 3);
  const code = await Promise.race([customers.child.ended, sleep(SOON_MS, 'not ended')]);
  if (code !== 0)
    throw new NotAsExpected(`expected that every customer is served: ${customers.lines.slice(-3).join('; ')}`);
  console.log(`   ok: ${customers.lines.at(-1)}`);

  scene('Closing time');
  for (const agent of agents) agent.type('offline');
  await expectDesk('everybody is offline', (now) => agents.every((agent) => statusOf(now, agent) === 'offline'));
  return 0;
};

const exitCode = await day().catch((error) => {
  console.error(`\nNOT AS EXPECTED: ${error instanceof NotAsExpected ? error.message : error.stack}`);
  return 1;
});
// A stopped process has to be killed, not asked.
for (const child of children) child.kill('SIGKILL');
process.exit(exitCode);
