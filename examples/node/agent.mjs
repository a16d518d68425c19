#!/usr/bin/env node
// An agent at a terminal: type `help`, and watch what happens in one line each.
//
//   export TOKEN=$(npx deskwire token --role agent --sub bob --name Bob --department support)
//   node examples/node/agent.mjs http://localhost:3000
//
// The same token in a second terminal is a second device. With --auto it works by itself: it answers each message of a
// customer after --pause milliseconds, and closes after a thank-you. The server may be killed at any time.
import { randomUUID } from 'node:crypto';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { io } from 'socket.io-client';

const HELP = `online [capacity]  take new work, at most so many conversations at once
away               keep what you have, get nothing new: lunch
offline            everything of yours goes back to the queue: home
list               what is yours, and what waits
agents             who is there
claim N            take a conversation that waits; N is the number in front of its lines
accept N, decline N         answer an offer
say N text, note N text     a message; a note, which only staff see
transfer N agent|#department [note]
release N [reason]          back to the queue
close N [reason]
quit               leave without a word, like closing the laptop`;

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    auto: { type: 'boolean', default: false },
    pause: { type: 'string', default: '1500' },
    capacity: { type: 'string' },
  },
});
const [url = 'http://localhost:3000'] = positionals;
const token = process.env.TOKEN;
if (!token) {
  console.error('Set TOKEN to a token of role "agent" or "supervisor": npx deskwire token --role agent --sub bob');
  process.exit(2);
}

const ACK_TIMEOUT_MS = 10_000;
const RETRY_MS = 500;
/** They may pass, but it is the agent who decides whether to wait for that. */
const FOR_THE_AGENT = ['agent_unavailable', 'capacity_reached'];
/** A closed conversation is followed a little longer: it may still be rated. */
const FOLLOW_CLOSED_MS = 60_000;
/** Entries that may be the first an agent hears of a conversation. */
const NEWS = new Set(
  ['opened', 'reopened', 'assigned', 'released', 'transferred'].map((fact) => `conversation:${fact}`),
);

const socket = io(url, { auth: { token }, transports: ['websocket'] });
let me;
/** The conversations followed, by id: what is this agent's, and what waits. */
const rooms = new Map();
/** The short numbers, by conversation; a conversation keeps its own. */
const numbers = new Map();

const print = (line) => console.log(line);
/** Sends a request until it is answered. */
const request = async (name, payload) => {
  for (;;) {
    const reply = await socket
      .timeout(ACK_TIMEOUT_MS)
      .emitWithAck(name, payload)
      .catch(() => undefined);
    if (reply?.ok) return reply.data;
    if (reply && (!reply.error.retryable || FOR_THE_AGENT.includes(reply.error.code)))
      throw new Error(`${reply.error.code}: ${reply.error.message}`);
    await sleep(reply?.error.retryAfterMs ?? RETRY_MS);
  }
};

const numberOf = (conversationId) => {
  if (!numbers.has(conversationId)) numbers.set(conversationId, numbers.size + 1);
  return numbers.get(conversationId);
};

// --- Following conversations -------------------------------------------------------------------------------------

const follow = (conversationId) => {
  if (rooms.has(conversationId)) return;
  const room = { id: conversationId, n: numberOf(conversationId), lastSeq: 0, live: false, backlog: [], mine: false };
  rooms.set(conversationId, room);
  join(room);
};

const unfollow = (room) => {
  if (rooms.get(room.id) !== room) return;
  rooms.delete(room.id);
  socket.emit('conversation:leave', { conversationId: room.id });
};

/** Reads what was missed, page by page; from the last page on, entries come as events. */
const join = (room) => {
  const payload = { conversationId: room.id, afterSeq: room.lastSeq };
  socket.timeout(ACK_TIMEOUT_MS).emit('conversation:join', payload, (error, reply) => {
    // Without an answer the connection is lost, and with the next one everything is joined again.
    if (error || rooms.get(room.id) !== room) return;
    if (!reply.ok) {
      if (reply.error.retryable) setTimeout(join, reply.error.retryAfterMs ?? RETRY_MS, room);
      else rooms.delete(room.id);
      return;
    }
    // Here, and not after an `await`: the next event may stand in the same packet, right behind this answer.
    room.customer = reply.data.conversation.customer.name;
    room.queue = reply.data.conversation.queue;
    for (const entry of reply.data.entries) take(room, entry);
    if (reply.data.hasMore) join(room);
    else {
      room.live = true;
      introduce(room);
      work(room);
    }
  });
};

/** The first time: all of what is one's own, a line of what waits, nothing of what somebody else has. */
const introduce = (room) => {
  const { backlog, mine, closed, assignee, queue, customer, asked } = room;
  if (backlog === undefined) return;
  room.backlog = undefined;
  if (mine) for (const entry of backlog) show(room, entry);
  else if (closed || assignee) unfollow(room);
  else say(room, `${customer} waits${queue ? ` at place ${queue.position}` : ''}: ${asked?.text ?? 'no word yet'}`);
};

const take = (room, entry) => {
  if (entry.seq <= room.lastSeq) return;
  room.lastSeq = entry.seq;
  const { type, author } = entry;
  if ('assignee' in entry) {
    room.assignee = entry.assignee;
    room.mine = entry.assignee?.id === me.userId;
  } else if (type === 'conversation:closed' || type === 'conversation:reopened') {
    room.closed = type === 'conversation:closed';
    room.mine = false;
    room.assignee = null;
  } else if (type === 'message:created' && entry.visibility === 'all' && author) {
    room.unanswered = author.role === 'customer';
    if (room.unanswered) room.asked = entry;
  }
  if (room.backlog) room.backlog.push(entry);
  else {
    show(room, entry);
    // Somebody else's conversation is none of ours, until it waits again. While a log is read, the last line decides.
    if (entry.assignee && !room.mine && room.live) unfollow(room);
    work(room);
  }
};

// --- What is printed ---------------------------------------------------------------------------------------------

const say = ({ n }, text) => print(`#${n} ${text}`);

const show = (room, entry) => {
  const { customer } = room;
  const { type, author, assignee, previousAssignee, reason, summary } = entry;
  const why = `(${[reason, summary].filter(Boolean).join(': ')})`;
  if (type === 'message:created') {
    const by = author?.name ?? 'the desk itself';
    say(room, `${by}${entry.visibility === 'staff' ? ' (note)' : ''}: ${entry.text ?? '(deleted)'}`);
  } else if ('assignee' in entry) {
    room.offerId = undefined;
    const toMe = assignee?.id === me.userId;
    const lost = previousAssignee?.id === me.userId ? 'no longer yours: ' : '';
    if (toMe) say(room, `yours: ${customer} ${why}`);
    else if (assignee) say(room, `${lost}${assignee.name} has ${customer} ${why}`);
    else say(room, `${lost}${customer} waits again ${why}`);
  } else if (type === 'conversation:closed') {
    say(room, `closed: ${customer}${reason ? ` (${reason})` : ''}`);
    setTimeout(() => room.closed && unfollow(room), FOLLOW_CLOSED_MS).unref();
  } else if (type === 'conversation:reopened') {
    say(room, `reopened: ${customer} waits again`);
  } else if (type === 'conversation:rated') {
    say(room, `${customer} rates ${entry.score} of 5${entry.comment ? `: ${entry.comment}` : ''}`);
  } else if (room.offerId && entry.offer !== undefined && entry.offer?.offerId !== room.offerId) {
    say(room, `no longer offered to you (${entry.offerOutcome})`);
    room.offerId = undefined;
  }
};

// --- Working by itself -------------------------------------------------------------------------------------------

const isThanks = (text) => /\bthank/i.test(text ?? '');

/** With --auto: answers what is not answered, one message of a conversation after the other. */
const work = (room) => {
  if (!options.auto || !room.live || !room.mine || room.working || !room.asked) return;
  if (!room.unanswered && !isThanks(room.asked.text)) return;
  room.working = true;
  answer(room, room.asked)
    .catch((error) => say(room, `refused: ${error.message}`))
    .finally(() => {
      room.working = false;
      // Somebody may have gone on writing meanwhile.
      if (rooms.get(room.id) === room) work(room);
    });
};

const answer = async (room, { id, text }) => {
  const conversationId = room.id;
  if (room.unanswered) {
    socket.emit('typing:start', { conversationId });
    await sleep(Number(options.pause));
    if (!room.mine) return;
    const words = isThanks(text) ? 'You are welcome. Goodbye!' : `I have looked into it: “${text}” is settled.`;
    // The client id comes from the question: however often it is answered, one answer stands in the log.
    await request('message:send', { conversationId, clientMessageId: `answer-${id}`, text: words });
    // Our own entry may come after its acknowledgement.
    if (room.asked.id === id) room.unanswered = false;
  }
  if (isThanks(room.asked.text) && room.mine) {
    await request('conversation:close', { conversationId, reason: 'Settled' });
    room.mine = false;
  }
};

// --- What can be typed -------------------------------------------------------------------------------------------

const listAll = async (filter) => {
  const found = [];
  let cursor;
  do {
    const page = await request('conversation:list', { ...filter, ...(cursor && { cursor }) });
    found.push(...page.conversations);
    cursor = page.nextCursor;
  } while (cursor);
  return found;
};

const loadWork = async () => {
  const [mine, waiting] = await Promise.all([
    listAll({ status: 'assigned', assignee: 'me' }),
    listAll({ status: 'queued' }),
  ]);
  waiting.sort((a, b) => (a.queue?.position ?? 0) - (b.queue?.position ?? 0));
  return { mine, waiting };
};

const setStatus = async (status, capacity) => {
  const payload = { status, ...(capacity !== undefined && { capacity: Number(capacity) }) };
  const now = await request('agent:status', payload);
  print(`you are ${now.status}, with ${now.activeCount} of ${now.capacity}`);
};

const conversationOf = (word) => {
  const n = Number(word?.replace(/^#/, ''));
  const found = [...numbers].find(([, number]) => number === n);
  if (!found) throw new Error(`there is no #${word ?? ''}; \`list\` shows the numbers`);
  return found[0];
};

const offerOf = (word) => {
  const conversationId = conversationOf(word);
  const offerId = rooms.get(conversationId)?.offerId;
  if (!offerId) throw new Error(`#${word} is not offered to you`);
  return { conversationId, offerId };
};

/** `#billing` is a department, anything else the name or the id of an agent. */
const targetOf = async (word = '') => {
  if (word.startsWith('#')) return { department: word.slice(1) };
  const { agents } = await request('agent:list', {});
  const agent = agents.find(({ id, name }) => id === word || name.toLowerCase() === word.toLowerCase());
  if (!agent) throw new Error(`there is no agent ${word}; \`agents\` shows who there is`);
  return { agentId: agent.id };
};

const send = (word, text, visibility) => {
  const message = { conversationId: conversationOf(word), clientMessageId: randomUUID(), text, visibility };
  return request('message:send', message);
};

/** By their names; each gets the words behind its own. */
const COMMANDS = {
  help: () => print(HELP),
  online: ([capacity]) => setStatus('online', capacity),
  away: () => setStatus('away'),
  offline: () => setStatus('offline'),
  list: async () => {
    const { mine, waiting } = await loadWork();
    for (const { id, customer } of mine) print(`#${numberOf(id)} ${customer.name}: yours`);
    for (const { id, customer, department, queue, priority } of waiting) {
      const about = [priority, department && `#${department}`, queue?.basis].filter(Boolean).join(', ');
      print(`#${numberOf(id)} ${customer.name}: waits at place ${queue?.position ?? '?'} (${about})`);
    }
    if (mine.length + waiting.length === 0) print('nothing is yours, and nothing waits');
  },
  agents: async () => {
    const { agents } = await request('agent:list', {});
    for (const { name, role, status, activeCount, capacity, departments } of agents) {
      print(`${name} (${role}): ${status}, ${activeCount} of ${capacity} ${departments.map((d) => `#${d}`).join(' ')}`);
    }
  },
  claim: ([n]) => request('assignment:claim', { conversationId: conversationOf(n) }),
  accept: ([n]) => request('assignment:accept', offerOf(n)),
  decline: ([n]) => request('assignment:decline', offerOf(n)),
  say: ([n, ...words]) => send(n, words.join(' '), 'all'),
  note: ([n, ...words]) => send(n, words.join(' '), 'staff'),
  transfer: async ([n, to, ...note]) => {
    const payload = { conversationId: conversationOf(n), to: await targetOf(to) };
    return request('assignment:transfer', { ...payload, ...(note.length > 0 && { note: note.join(' ') }) });
  },
  release: ([n, ...reason]) => {
    const payload = { conversationId: conversationOf(n), ...(reason.length > 0 && { reason: reason.join(' ') }) };
    return request('assignment:release', payload);
  },
  close: ([n, ...reason]) => {
    const payload = { conversationId: conversationOf(n), ...(reason.length > 0 && { reason: reason.join(' ') }) };
    return request('conversation:close', payload);
  },
  quit: () => {
    socket.disconnect();
    process.exit(0);
  },
};

let typed = Promise.resolve();
const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const [command, ...words] = line.trim().split(/\s+/);
  if (!command) return;
  const run = Object.hasOwn(COMMANDS, command) ? COMMANDS[command] : () => print(`what is "${command}"? Try help.`);
  // One after the other, so that what is typed fast is done in that order.
  typed = typed.then(() => run(words)).catch((error) => print(`refused: ${error.message}`));
});
// Without a terminal there is nothing to read, and --auto goes on.
lines.on('close', () => {
  if (!options.auto) typed.then(COMMANDS.quit);
});

// --- What is heard -----------------------------------------------------------------------------------------------

socket.on('session:ready', (session) => {
  const first = me === undefined;
  me = session;
  print(`ready as ${me.name} (${me.role})`);
  for (const room of rooms.values()) join(room);
  const begin = async () => {
    // Said once: a status outlives the connection, and the process too.
    if (first && options.auto) await setStatus('online', options.capacity);
    const { mine, waiting } = await loadWork();
    for (const { id } of [...mine, ...waiting]) follow(id);
  };
  begin().catch((error) => print(`refused: ${error.message}`));
});
// An entry is sent under the name of its type. Before a join is answered it will be in the answer.
socket.onAny((name, entry) => {
  if (entry?.type !== name) return;
  const room = rooms.get(entry.conversationId);
  if (room?.live) take(room, entry);
  else if (!room && NEWS.has(name)) follow(entry.conversationId);
});
socket.on('assignment:offered', ({ offerId, conversation, expiresAt }) => {
  follow(conversation.id);
  const room = rooms.get(conversation.id);
  if (room.offerId === offerId) return;
  room.offerId = offerId;
  say(room, `offered to you: ${conversation.customer.name}, until ${new Date(expiresAt).toLocaleTimeString()}`);
  if (!options.auto) return;
  request('assignment:accept', { conversationId: conversation.id, offerId }).catch((error) =>
    say(room, `refused: ${error.message}`),
  );
});
socket.on('agent:presence', ({ agent: { name, status, activeCount, capacity } }) => {
  print(`${name} is ${status}, with ${activeCount} of ${capacity}`);
});
socket.on('disconnect', (reason) => {
  print(`disconnected: ${reason}`);
  for (const room of rooms.values()) room.live = false;
});
socket.on('connect_error', ({ data, message }) => {
  // With `data` the server has refused the token, and the client stays away; otherwise it tries again by itself.
  if (!data) return;
  console.error(`refused: ${data.code}: ${message}`);
  if (!data.retryable) process.exit(1);
  setTimeout(() => socket.connect(), data.retryAfterMs ?? RETRY_MS);
});
