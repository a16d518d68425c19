#!/usr/bin/env node
// A bot: takes every new conversation, answers, and hands over to a person when it is asked to. Where a department has
// `botsFirst` the server gives it the conversations; elsewhere it claims what nobody has.
//
//   export TOKEN=$(npx deskwire token --role bot --sub echo-bot --name "Echo bot")
//   node examples/node/bot.mjs http://localhost:3000
//
// The server may be killed at any time: the bot connects again by itself, reads what it missed, and answers it once.
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { io } from 'socket.io-client';

const url = process.argv[2] ?? 'http://localhost:3000';
const token = process.env.TOKEN;
if (!token) {
  console.error('Set TOKEN to a token of role "bot": npx deskwire token --role bot --sub echo-bot');
  process.exit(2);
}

const ACK_TIMEOUT_MS = 10_000;
const RETRY_MS = 500;
/** Somebody else has the conversation now, or it is closed: a bot does not talk over a human. */
const NO_LONGER_MINE = ['stale_fence', 'not_found', 'conversation_closed'];
const NOT_TO_BE_HAD = ['already_assigned', 'capacity_reached', 'conversation_closed', 'not_found'];

let me;
const socket = io(url, { auth: { token }, transports: ['websocket'] });
/**
 * By conversation: how far it is read, whether entries come as events, what nobody has answered when it is first read, and
 * the answers under way, one after the other.
 */
const conversations = new Map();

/** Where a real bot asks its model. */
const think = async (text) => {
  await sleep(300);
  return `You said: ${text}`;
};

const refusal = (error) => Object.assign(new Error(error.message), error);

/** Sends a request until it is answered. Repeating is safe: of a client id the server keeps one message. */
const request = async (name, payload, final = []) => {
  for (;;) {
    const reply = await socket
      .timeout(ACK_TIMEOUT_MS)
      .emitWithAck(name, payload)
      .catch(() => undefined);
    if (reply?.ok) return reply.data;
    if (reply && (!reply.error.retryable || final.includes(reply.error.code))) throw refusal(reply.error);
    await sleep(reply?.error.retryAfterMs ?? RETRY_MS);
  }
};

/** Reads what was missed, page by page; from the last page on, entries come as events. */
const join = (conversationId) => {
  const conversation = conversations.get(conversationId);
  const payload = { conversationId, afterSeq: conversation.lastSeq };
  socket.timeout(ACK_TIMEOUT_MS).emit('conversation:join', payload, (error, reply) => {
    // Without an answer the connection is lost, and with the next one all conversations are joined again.
    if (error) return;
    if (!reply.ok) {
      if (reply.error.retryable) setTimeout(join, reply.error.retryAfterMs ?? RETRY_MS, conversationId);
      else forget(conversationId, reply.error.code);
      return;
    }
    // Here, and not after an `await`: the next event may stand in the same packet, right behind this answer.
    reply.data.entries.forEach(take);
    if (!conversations.has(conversationId)) return;
    if (reply.data.hasMore) {
      join(conversationId);
      return;
    }
    conversation.live = true;
    // Read to its end for the first time: what was answered by then is not the bot's to answer.
    const { unanswered = [] } = conversation;
    conversation.unanswered = undefined;
    for (const entry of unanswered) answerInTurn(entry);
  });
};

const take = (entry) => {
  const { conversationId, seq, type, author } = entry;
  const conversation = conversations.get(conversationId);
  if (!conversation || seq <= conversation.lastSeq) return;
  conversation.lastSeq = seq;
  // What the server itself says has no author, and is no answer.
  const said = type === 'message:created' && author !== null && entry.visibility === 'all';
  if (said && author.role !== 'customer') {
    if (conversation.unanswered) conversation.unanswered = [];
  } else if (said && entry.text) {
    if (conversation.unanswered) conversation.unanswered.push(entry);
    else answerInTurn(entry);
  } else if (type === 'conversation:closed') {
    // In its past, too: what comes behind it is a conversation reopened.
    if (conversation.unanswered) conversation.unanswered = [];
    else forget(conversationId, 'closed');
  } else if ('assignee' in entry && entry.assignee?.id !== me && !conversation.unanswered) {
    forget(conversationId, author?.id === me ? 'handed over' : entry.reason);
  }
};

const answerInTurn = (entry) => {
  const conversation = conversations.get(entry.conversationId);
  conversation.answers = conversation.answers
    .then(() => answer(entry))
    .catch((error) => gaveUp(entry.conversationId, error));
};

const answer = async ({ conversationId, id, text }) => {
  if (!conversations.has(conversationId)) return;
  console.log(`${conversationId} < ${text}`);
  if (/\b(human|person|agent)\b/i.test(text)) {
    await handOver(conversationId, id, text);
    return;
  }
  socket.emit('typing:start', { conversationId });
  // The client id comes from the question: however often it is answered, one answer stands in the log.
  const message = { conversationId, clientMessageId: `answer-${id}`, text: await think(text) };
  const { entry } = await request('message:send', message);
  console.log(`${conversationId} > ${entry.text}`);
};

const handOver = async (conversationId, id, text) => {
  const message = { conversationId, clientMessageId: `handover-${id}`, text: 'I am calling a person.' };
  await request('message:send', message);
  const summary = `Last words: ${text.slice(0, 200)}`;
  await request('assignment:release', { conversationId, reason: 'The customer asked for a person', summary });
  forget(conversationId, 'handed over');
};

const gaveUp = (conversationId, error) => {
  if (NO_LONGER_MINE.includes(error.code)) forget(conversationId, error.code);
  else console.error(`${conversationId} not answered: ${error.message}`);
};

const forget = (conversationId, why) => {
  if (conversations.delete(conversationId)) console.log(`${conversationId} left: ${why}`);
};

/** Reads a conversation that is the bot's from its beginning, and goes on from there. */
const adopt = (conversationId) => {
  if (conversations.has(conversationId)) return;
  console.log(`${conversationId} taken`);
  conversations.set(conversationId, { lastSeq: 0, live: false, unanswered: [], answers: Promise.resolve() });
  join(conversationId);
};

const claim = async ({ conversationId }) => {
  try {
    // What the server has given to this bot already is claimed once more without harm.
    await request('assignment:claim', { conversationId }, NOT_TO_BE_HAD);
  } catch (error) {
    console.log(`${conversationId} not taken: ${error.code}`);
    return;
  }
  adopt(conversationId);
};

const given = ({ conversationId, assignee }) => {
  if (assignee?.id === me) adopt(conversationId);
};

socket.on('session:ready', ({ name, userId }) => {
  console.log(`ready as ${name}`);
  // A bot that was just started knows nothing of what an earlier run had: that goes back, and comes again.
  if (me === undefined) socket.emit('agent:status', { status: 'offline' });
  me = userId;
  socket.emit('agent:status', { status: 'online' });
  for (const conversationId of conversations.keys()) join(conversationId);
});
socket.on('conversation:opened', claim);
socket.on('conversation:reopened', claim);
socket.on('conversation:assigned', given);
socket.on('conversation:transferred', given);
// An entry is sent under the name of its type. Before the join is answered it will be in the answer.
socket.onAny((name, entry) => {
  if (entry?.type === name && conversations.get(entry.conversationId)?.live) take(entry);
});
socket.on('disconnect', (reason) => {
  console.log(`disconnected: ${reason}`);
  for (const conversation of conversations.values()) conversation.live = false;
});
socket.on('connect_error', ({ data, message }) => {
  // With `data` the server has refused the token, and the client stays away; otherwise it tries again by itself.
  if (!data) return;
  console.error(`refused: ${data.code}: ${message}`);
  if (!data.retryable) process.exit(1);
  setTimeout(() => socket.connect(), data.retryAfterMs ?? RETRY_MS);
});
