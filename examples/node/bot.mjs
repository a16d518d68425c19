#!/usr/bin/env node
// A bot: takes conversations that wait, answers, and hands over to a person when it is asked to.
//
//   DESKWIRE_URL=http://localhost:3000 DESKWIRE_TOKEN=$(npx deskwire token --role bot --sub echo-bot --name "Echo bot") node examples/node/bot.mjs
//
// The server may be killed at any time: the bot connects again by itself, reads what it missed, and answers it once.
import process from 'node:process';
import { io } from 'socket.io-client';

const { DESKWIRE_URL: url = 'http://localhost:3000', DESKWIRE_TOKEN: token } = process.env;
if (!token) {
  console.error('Set DESKWIRE_TOKEN to a token of role "bot": npx deskwire token --role bot --sub echo-bot');
  process.exit(1);
}

const ACK_TIMEOUT_MS = 10_000;
const socket = io(url, { auth: { token }, transports: ['websocket'] });
/** The last seq seen of each conversation: after a reconnect the stream goes on behind it. */
const lastSeqs = new Map();
let me;

/** Sends a request until it is answered. Repeating is safe: the server keeps one message of a client id. */
const request = async (name, payload) => {
  for (;;) {
    try {
      const reply = await socket.timeout(ACK_TIMEOUT_MS).emitWithAck(name, payload);
      if (reply.ok) return reply.data;
      if (!reply.error.retryable) throw Object.assign(new Error(reply.error.message), reply.error);
      await new Promise((resolve) => setTimeout(resolve, reply.error.retryAfterMs ?? 500));
    } catch (error) {
      if (error.code) throw error;
      // No answer: the connection was lost, or the server is slow. The client connects again by itself.
      if (!socket.connected) await new Promise((resolve) => socket.once('session:ready', resolve));
    }
  }
};

/** Reads what was missed, answers what waits for an answer, and follows from then on. */
const follow = async (conversationId) => {
  for (;;) {
    const page = await request('conversation:join', { conversationId, afterSeq: lastSeqs.get(conversationId) ?? 0 });
    for (const entry of page.entries) await take(entry);
    if (!page.hasMore) return;
  }
};

const take = async (entry) => {
  if (entry.seq <= (lastSeqs.get(entry.conversationId) ?? 0)) return;
  lastSeqs.set(entry.conversationId, entry.seq);
  if (entry.type === 'message:created' && entry.author?.role === 'customer' && entry.text) await answer(entry);
};

const answer = async ({ conversationId, id, text }) => {
  console.log(`${conversationId} < ${text}`);
  try {
    if (/\b(human|person|agent)\b/i.test(text)) {
      await request('message:send', { conversationId, clientMessageId: `handover-${id}`, text: 'I am calling a person.' });
      await request('assignment:release', { conversationId, reason: 'The customer asked for a person', summary: `Last words: ${text.slice(0, 200)}` });
      console.log(`${conversationId} handed over`);
      return;
    }
    socket.emit('typing:start', { conversationId });
    // The client id comes from the question, so that answering it twice leaves one answer.
    const { entry } = await request('message:send', { conversationId, clientMessageId: `answer-${id}`, text: `You said: ${text}` });
    console.log(`${conversationId} > ${entry.text} (seq ${entry.seq})`);
  } catch (error) {
    // Somebody else has taken the conversation, or it was closed: a bot does not talk over a human.
    if (!['stale_fence', 'not_found', 'conversation_closed'].includes(error.code)) throw error;
    console.log(`${conversationId} is no longer mine: ${error.code}`);
  }
};

const claim = async (conversationId) => {
  try {
    await request('assignment:claim', { conversationId });
  } catch (error) {
    if (!['already_assigned', 'capacity_reached', 'conversation_closed', 'not_found'].includes(error.code)) throw error;
    console.log(`${conversationId} not claimed: ${error.code}`);
    return;
  }
  console.log(`${conversationId} claimed`);
  await follow(conversationId);
};

socket.on('session:ready', async (session) => {
  me = session.userId;
  console.log(`ready as ${me}`);
  await request('agent:status', { status: 'online' });
  // After a reconnect: go on with each conversation where its stream stopped.
  for (const conversationId of lastSeqs.keys()) await follow(conversationId).catch((error) => console.log(error.code));
});
socket.on('conversation:opened', ({ conversationId }) => claim(conversationId));
socket.on('conversation:reopened', ({ conversationId }) => claim(conversationId));
socket.on('message:created', take);
socket.on('connect_error', (error) => {
  console.error(error.data ? `refused: ${error.data.code}: ${error.message}` : `not connected: ${error.message}`);
  if (error.data && !error.data.retryable) process.exit(1);
});
socket.on('disconnect', (reason) => console.log(`disconnected: ${reason}`));
