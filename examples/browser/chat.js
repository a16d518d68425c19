/* global io, document, location, crypto, HTMLElement */
// A customer and an agent in one page, with nothing but socket.io-client and the page's own elements.
// The tokens stand in the part of the address that browsers keep to themselves: #customer=…&agent=…
// `?server=https://desk.example.com` connects to a server elsewhere.

const ACK_TIMEOUT_MS = 10_000;
const TYPING_REPEAT_MS = 2_000;

/** Makes an element; text only ever becomes text. */
const element = (tag, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
};

/** One person's side of the conversation. */
class Pane {
  conversationId = null;
  lastSeq = 0;
  /** Messages the server has not acknowledged yet, in the order in which they were written. */
  outbox = [];
  sending = false;
  rows = new Map();
  typists = new Map();
  typingSince = 0;

  constructor(title, token, server) {
    this.title = element('h1', { textContent: title });
    this.state = element('span', { className: 'state', textContent: 'connecting' });
    this.queue = element('div', { className: 'queue' });
    this.log = element('ol', { className: 'log' });
    this.typing = element('div', { className: 'typing' });
    this.input = element('input', { placeholder: 'Write a message', autocomplete: 'off', ariaLabel: `Message of ${title}` });
    const form = element('form', {}, this.input, element('button', { textContent: 'Send' }));
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.write(this.input.value.trim());
      this.input.value = '';
    });
    this.input.addEventListener('input', () => this.sayTyping());
    this.root = element('section', { className: 'pane', id: title.toLowerCase() }, element('header', {}, this.title, this.state), this.queue, this.log, this.typing, form);

    this.socket = io(server, { auth: { token } });
    this.listen();
  }

  listen() {
    const { socket } = this;
    socket.on('session:ready', (session) => {
      this.session = session;
      this.title.textContent = `${session.name} (${session.role})`;
      this.show('connected');
      void this.resume();
    });
    socket.on('disconnect', () => this.show('reconnecting'));
    socket.on('connect_error', (error) => {
      // A refusal for good carries an error object; anything else the client tries again by itself.
      if (error.data?.code) this.show('refused', error.message);
      else this.show('reconnecting');
    });
    for (const type of ['message:created', 'message:edited', 'message:deleted', 'conversation:assigned', 'conversation:released', 'conversation:closed', 'conversation:reopened', 'conversation:opened', 'conversation:updated', 'conversation:rated']) {
      socket.on(type, (entry) => this.take(entry));
    }
    socket.on('typing:started', ({ conversationId, user, preview }) => {
      if (conversationId !== this.conversationId) return;
      this.typists.set(user.id, preview ? `${user.name} is typing: ${preview}` : `${user.name} is typing…`);
      this.showTyping();
    });
    socket.on('typing:stopped', ({ user }) => {
      this.typists.delete(user.id);
      this.showTyping();
    });
  }

  show(state, text = state) {
    this.state.dataset.state = state;
    this.state.textContent = text;
  }

  /** Sends a request; gives `data`, or throws an error whose `code` is the server's. */
  async request(name, payload) {
    const reply = await this.socket.timeout(ACK_TIMEOUT_MS).emitWithAck(name, payload);
    if (reply.ok) return reply.data;
    throw Object.assign(new Error(reply.error.message), reply.error);
  }

  /** After every connect: goes on where the last connection ended. */
  async resume() {
    try {
      if (this.session.role !== 'customer') await this.startWork();
      if (this.conversationId === null && this.session.role === 'customer') {
        const { conversations } = await this.request('conversation:list', { limit: 10 });
        const open = conversations.find(({ status }) => status !== 'closed');
        if (open) await this.join(open.id);
      } else if (this.conversationId !== null) {
        await this.join(this.conversationId);
      }
    } catch (error) {
      if (this.socket.connected) this.note(error.message);
    }
    void this.flush();
  }

  async startWork() {
    await this.request('agent:status', { status: 'online' });
    const { conversations } = await this.request('conversation:list', { status: 'queued' });
    this.queue.replaceChildren();
    for (const { id, customer } of conversations) this.offer(id, customer.name);
    if (this.conversationId === null) {
      const mine = await this.request('conversation:list', { status: 'assigned', assignee: 'me', limit: 1 });
      this.conversationId = mine.conversations[0]?.id ?? null;
    }
  }

  /** Reads what was missed, page by page; from then on entries come as events. */
  async join(conversationId) {
    this.conversationId = conversationId;
    for (;;) {
      const page = await this.request('conversation:join', { conversationId, afterSeq: this.lastSeq });
      page.entries.forEach((entry) => this.take(entry));
      if (!page.hasMore) return;
    }
  }

  /** An agent's button for a conversation that waits. */
  offer(conversationId, name) {
    if (this.queue.querySelector(`[data-id="${CSS.escape(conversationId)}"]`)) return;
    const button = element('button', { textContent: `Take ${name}` });
    button.dataset.id = conversationId;
    button.addEventListener('click', async () => {
      button.disabled = true;
      try {
        await this.request('assignment:claim', { conversationId });
        this.reset();
        await this.join(conversationId);
      } catch (error) {
        this.note(error.message);
      }
      button.remove();
    });
    this.queue.append(button);
  }

  reset() {
    this.lastSeq = 0;
    this.rows.clear();
    this.log.replaceChildren();
  }

  take(entry) {
    const waits = ['conversation:opened', 'conversation:reopened', 'conversation:released'].includes(entry.type);
    if (waits && this.session.role !== 'customer') this.offer(entry.conversationId, entry.customer?.name ?? 'conversation');
    if (entry.type === 'conversation:assigned') this.queue.querySelector(`[data-id="${CSS.escape(entry.conversationId)}"]`)?.remove();
    if (this.conversationId === null && this.session.role === 'customer') this.conversationId = entry.conversationId;
    // The server delivers each entry once and in order; the same line also drops what a page has brought before.
    if (entry.conversationId !== this.conversationId || entry.seq <= this.lastSeq) return;
    this.lastSeq = entry.seq;
    this.render(entry);
  }

  render(entry) {
    switch (entry.type) {
      case 'message:created': {
        const mine = entry.author?.id === this.session.userId;
        this.rows.get(entry.clientMessageId)?.remove();
        this.row(entry.id, entry.text ?? 'deleted', mine ? 'mine' : 'theirs', mine ? '' : (entry.author?.name ?? ''));
        break;
      }
      case 'message:edited':
        if (this.rows.has(entry.messageId)) this.rows.get(entry.messageId).lastChild.textContent = entry.text ?? 'deleted';
        break;
      case 'message:deleted':
        if (this.rows.has(entry.messageId)) this.rows.get(entry.messageId).lastChild.textContent = 'deleted';
        break;
      case 'conversation:assigned':
        this.note(`${entry.assignee.name} answers`);
        break;
      default:
        this.note(entry.type.replace('conversation:', ''));
    }
  }

  row(id, text, className, author = '') {
    const row = element('li', { className }, ...(author ? [element('small', { textContent: author })] : []), element('span', { textContent: text }));
    this.rows.set(id, row);
    this.log.append(row);
    this.log.scrollTop = this.log.scrollHeight;
  }

  note(text) {
    this.log.append(element('li', { className: 'note', textContent: text }));
    this.log.scrollTop = this.log.scrollHeight;
  }

  write(text) {
    if (text === '') return;
    const clientMessageId = crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
    this.outbox.push({ clientMessageId, text });
    this.row(clientMessageId, text, 'mine pending');
    this.typingSince = 0;
    void this.flush();
  }

  /** Sends the outbox in order. A message whose answer got lost is sent again under its id: the server keeps one. */
  async flush() {
    if (this.sending) return;
    this.sending = true;
    while (this.outbox.length > 0 && this.socket.connected) {
      const [message] = this.outbox;
      const conversationId = this.conversationId ?? undefined;
      try {
        const { conversation } = await this.request('message:send', conversationId ? { conversationId, ...message } : message);
        if (conversation) this.conversationId = conversation.id;
        this.outbox.shift();
      } catch (error) {
        if (error.code === 'conversation_closed' && this.session.role === 'customer') {
          this.conversationId = null;
          this.reset();
        } else if (error.code && !error.retryable) {
          this.outbox.shift();
          this.note(error.message);
        } else if (!this.socket.connected) {
          break;
        }
      }
    }
    this.sending = false;
  }

  sayTyping() {
    if (this.conversationId === null || !this.socket.connected) return;
    const { conversationId } = this;
    if (this.input.value === '') {
      this.typingSince = 0;
      this.socket.emit('typing:stop', { conversationId });
    } else if (Date.now() - this.typingSince > TYPING_REPEAT_MS) {
      this.typingSince = Date.now();
      this.socket.emit('typing:start', { conversationId, preview: this.input.value });
    }
  }

  showTyping() {
    this.typing.textContent = [...this.typists.values()].join(' ');
  }
}

const tokens = new URLSearchParams(location.hash.slice(1));
const server = new URLSearchParams(location.search).get('server') ?? undefined;
const main = document.getElementById('panes');
for (const title of ['Customer', 'Agent', 'Token']) {
  const token = tokens.get(title.toLowerCase());
  if (token) main.append(new Pane(title, token, server).root);
}
if (!main.firstChild) {
  main.append(
    element('p', {
      className: 'help',
      textContent: 'Open this page with tokens in its address: #customer=…&agent=… The server prints such an address when it starts in development; `deskwire token` makes tokens.',
    }),
  );
}
