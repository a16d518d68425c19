#!/usr/bin/env node
// Customers by the dozen: each opens a conversation with a question, watches the queue, says thank you to whoever
// answers, and rates once it is closed. They are anonymous visitors, so no token is needed.
//
//   node examples/node/customers.mjs http://localhost:3000 --count 10 --every 500
//
// Ends when all of them are served; exit code 1 if one could not be. The server may be killed at any time.
import { randomUUID } from 'node:crypto';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { io } from 'socket.io-client';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    count: { type: 'string', default: '10' },
    department: { type: 'string' },
    priority: { type: 'string' },
    /** Milliseconds from one customer to the next. */
    every: { type: 'string', default: '300' },
  },
});
const [url = 'http://localhost:3000'] = positionals;

const ACK_TIMEOUT_MS = 10_000;
const RETRY_MS = 500;
const THINK_MS = 800;
const NAMES = ['Ann', 'Ben', 'Cem', 'Dora', 'Eli', 'Fay', 'Gus', 'Hana', 'Ivo', 'Jo'];
const QUESTIONS = ['Where is my order?', 'Do you ship to Norway?', 'May I send it back?', 'Is it in stock again?'];

/** A number behind it from the eleventh on. */
const nameOf = (index) => NAMES[index] ?? `${NAMES[index % NAMES.length]} ${Math.floor(index / NAMES.length) + 1}`;

const becomeVisitor = async (name) => {
  for (;;) {
    const response = await fetch(new URL('/v1/visitors', url), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name }),
    }).catch(() => undefined);
    if (response?.ok) return (await response.json()).token;
    // No server, or too many visitors at once: both pass.
    if (response && response.status !== 429 && response.status < 500) throw new Error((await response.json()).detail);
    await sleep(RETRY_MS);
  }
};

const inWords = ({ position, estimatedWaitMs, basis, opensAt }) => {
  if (basis === 'out_of_hours') return `closed${opensAt ? ` until ${new Date(opensAt).toLocaleString()}` : ''}`;
  if (basis === 'nobody_online') return `at place ${position}, but nobody is online`;
  const seconds = estimatedWaitMs === null ? undefined : Math.ceil(estimatedWaitMs / 1000);
  return `at place ${position}${seconds === undefined ? '' : `, about ${seconds} s to go`}`;
};

class Customer {
  #conversationId;
  #lastSeq = 0;
  #live = false;
  #thanked = false;
  /** Its client ids are made once: however often it is sent, it is one conversation with one message. */
  #opening;
  #closed = false;
  #resolve;
  #reject;

  constructor(name, token, question) {
    this.name = name;
    this.served = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#opening = {
      clientConversationId: randomUUID(),
      ...(options.department && { department: options.department }),
      ...(options.priority && { priority: options.priority }),
      message: { clientMessageId: randomUUID(), text: question },
    };
    this.socket = io(url, { auth: { token }, transports: ['websocket'], forceNew: true });
    this.socket.on('session:ready', () => void this.#begin());
    this.socket.on('queue:updated', (place) => {
      if (place.conversationId === this.#conversationId) this.#say(inWords(place));
    });
    this.socket.onAny((name, entry) => {
      if (entry?.type === name && this.#live) this.#take(entry);
    });
    this.socket.on('disconnect', () => {
      this.#live = false;
    });
    this.socket.on('connect_error', ({ data, message }) => {
      if (!data) return;
      if (data.retryable) setTimeout(() => this.socket.connect(), data.retryAfterMs ?? RETRY_MS);
      else this.#reject(new Error(`${data.code}: ${message}`));
    });
  }

  #say(text) {
    console.log(`${this.name}: ${text}`);
  }

  /** Sends a request until it is answered. */
  async #request(name, payload) {
    for (;;) {
      const reply = await this.socket
        .timeout(ACK_TIMEOUT_MS)
        .emitWithAck(name, payload)
        .catch(() => undefined);
      if (reply?.ok) return reply.data;
      if (reply && !reply.error.retryable) throw new Error(`${reply.error.code}: ${reply.error.message}`);
      await sleep(reply?.error.retryAfterMs ?? RETRY_MS);
    }
  }

  async #begin() {
    try {
      if (this.#conversationId === undefined) {
        const { conversation } = await this.#request('conversation:open', this.#opening);
        if (this.#conversationId === undefined) this.#say(`asks: ${this.#opening.message.text}`);
        this.#conversationId = conversation.id;
      }
      this.#join();
    } catch (error) {
      this.#reject(error);
    }
  }

  /** Reads what was missed, page by page; from the last page on, entries come as events. */
  #join() {
    const payload = { conversationId: this.#conversationId, afterSeq: this.#lastSeq };
    this.socket.timeout(ACK_TIMEOUT_MS).emit('conversation:join', payload, (error, reply) => {
      // Without an answer the connection is lost, and with the next one it begins anew.
      if (error) return;
      if (!reply.ok) {
        if (reply.error.retryable) setTimeout(() => this.#join(), reply.error.retryAfterMs ?? RETRY_MS);
        else this.#reject(new Error(`${reply.error.code}: ${reply.error.message}`));
        return;
      }
      for (const entry of reply.data.entries) this.#take(entry);
      if (reply.data.hasMore) this.#join();
      else this.#live = true;
    });
  }

  #take({ conversationId, seq, type, author, assignee, previousAssignee, text, id }) {
    if (conversationId !== this.#conversationId || seq <= this.#lastSeq) return;
    this.#lastSeq = seq;
    if (type === 'message:created' && author === null) this.#say(`hears from the desk itself: ${text}`);
    else if (type === 'message:created' && author.role !== 'customer') {
      this.#say(`hears from ${author.name}: ${text}`);
      if (!this.#thanked) {
        this.#thanked = true;
        void this.#thank(id);
      }
    } else if (type === 'conversation:released')
      this.#say(`waits again: ${previousAssignee?.name ?? 'nobody'} is gone`);
    else if (assignee) this.#say(`is with ${assignee.name}`);
    else if (type === 'conversation:transferred') this.#say('waits for another department');
    else if (type === 'conversation:reopened') this.#say('waits again');
    else if (type === 'conversation:closed') void this.#rate();
  }

  async #thank(answerId) {
    await sleep(THINK_MS);
    const message = { clientMessageId: `thanks-${answerId}`, text: 'Thank you!' };
    // What a customer writes in a closed conversation may open it again: not for a thank-you.
    if (this.#closed) return;
    await this.#request('message:send', { conversationId: this.#conversationId, ...message }).catch((error) =>
      this.#say(`could not say thank you: ${error.message}`),
    );
  }

  async #rate() {
    this.#closed = true;
    const score = this.#thanked ? 5 : 1;
    this.#say(`is done, and rates ${score} of 5`);
    try {
      await this.#request('conversation:rate', { conversationId: this.#conversationId, score });
      this.#resolve();
    } catch (error) {
      this.#reject(error);
    }
    this.socket.disconnect();
  }
}

const serve = async (index) => {
  await sleep(index * Number(options.every));
  const name = nameOf(index);
  await new Customer(name, await becomeVisitor(name), QUESTIONS[index % QUESTIONS.length]).served;
};

const results = await Promise.allSettled(Array.from({ length: Number(options.count) }, (_, index) => serve(index)));
const failures = results.filter(({ status }) => status === 'rejected');
for (const { reason } of failures) console.error(`not served: ${reason.message}`);
console.log(`${results.length - failures.length} of ${results.length} customers are served`);
process.exit(failures.length > 0 ? 1 : 0);
