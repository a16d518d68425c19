/* global io, location, crypto, setInterval */
// One person's chat over socket.io-client: the stream of a conversation, complete and in order whatever happens to the
// connection, and an outbox that sends everything once, files too (upload.js). It knows nothing of the page: see page.js.
import { Upload } from './upload.js';

/** undefined: the server that this page came from. Any other one has to list the page's origin in DESKWIRE_ALLOWED_ORIGINS. */
const SERVER = undefined;
const ACK_TIMEOUT_MS = 10_000;
const RETRY_MS = 500;
const TYPING_REPEAT_MS = 2_000;
/** Who takes a conversation that waits is told to those concerned alone, so the list of what waits is read again. */
const WORK_MS = 5_000;

/** Makes an error of a refusal: its `code`, `retryable` and `message` are the server's. */
const refusal = (error) => Object.assign(new Error(error.message), error);

export class Chat {
  session = null;
  conversationId = null;
  /** The last entry shown; after a reconnect the stream goes on behind it. */
  lastSeq = 0;
  /** Whether entries come as events: from the last page of a join until the connection is lost. */
  #live = false;
  /** Messages without an answer from the server yet, in the order in which they were written, each with its uploads. */
  #outbox = [];
  #sending = false;
  /** The last upload: the next one follows it. */
  #uploads = Promise.resolve();
  #typists = new Map();
  #typingSince = 0;

  /** What this agent answers, by id; the other agents of the desk; what is offered to this one, by id. */
  #mine = new Set();
  #offers = new Map();
  #lookedAt = 0;

  /**
   * `view` shows things: `state`, `session`, `clear`, `entry`, `pending`, `dropped`, `failed`, `typing`; `standing`, how the
   * conversation stands; and for an agent `work`, `agents` and `offers`. How files get on is told to who attaches them.
   */
  constructor(token, view) {
    this.view = view;
    this.socket = io(SERVER, { auth: { token } });
    this.socket.on('session:ready', (session) => {
      this.session = session;
      view.session(session);
      view.state('connected');
      void this.refresh();
    });
    this.socket.on('disconnect', () => {
      this.#live = false;
      this.#typists.clear();
      this.#showTyping();
      view.state('reconnecting');
    });
    this.socket.on('connect_error', (error) => {
      // With `data` the server has refused the token, and the client stays away; otherwise it tries again by itself.
      if (!error.data) view.state('reconnecting');
      else if (error.data.retryable) setTimeout(() => this.socket.connect(), error.data.retryAfterMs ?? RETRY_MS);
      else view.state('refused', error.message);
    });
    // An entry is sent under the name of its type; whatever else there is has no type.
    this.socket.onAny((name, payload) => {
      if (payload?.type !== name) return;
      if (this.#live) this.#take(payload);
      if (name.startsWith('conversation:')) this.#turned(payload).catch(() => undefined);
    });
    this.socket.on('queue:updated', ({ conversationId, ...place }) => {
      if (conversationId === this.conversationId) view.standing({ status: 'queued', assignee: null, queue: place });
    });
    this.socket.on('assignment:offered', (offer) => {
      this.#offers.set(offer.conversation.id, offer);
      this.#showOffers();
      // Then it is somebody else's turn.
      setTimeout(() => this.#dropOffer(offer), Math.max(0, Date.parse(offer.expiresAt) - Date.now()));
    });
    this.socket.on('agent:presence', () => this.#loadAgents().catch(() => undefined));
    setInterval(() => {
      if (this.socket.connected && this.session !== null) this.#loadWork().catch(() => undefined);
    }, WORK_MS);
    this.socket.on('typing:started', ({ conversationId, user, preview }) => {
      if (conversationId !== this.conversationId) return;
      this.#typists.set(user.id, { ...user, preview });
      this.#showTyping();
    });
    this.socket.on('typing:stopped', ({ conversationId, user }) => {
      if (conversationId !== this.conversationId) return;
      this.#typists.delete(user.id);
      this.#showTyping();
    });
  }

  /** Sends a request; gives its data. Throws the server's error, or one without `code` when there was no answer. */
  async request(name, payload) {
    const reply = await this.socket.timeout(ACK_TIMEOUT_MS).emitWithAck(name, payload);
    if (reply.ok) return reply.data;
    throw refusal(reply.error);
  }

  /** Goes on where the last connection ended. Harmless at any time; needed after every connect. */
  async refresh() {
    if (!this.socket.connected || this.session === null) return;
    try {
      const current = this.session.role === 'customer' ? await this.#openConversation() : await this.#startWork();
      if (current !== undefined && current !== this.conversationId) this.#turnTo(current);
      if (this.conversationId !== null) await this.#join();
    } catch (error) {
      if (error.code && !error.retryable) this.view.failed(error);
      else if (this.socket.connected) setTimeout(() => void this.refresh(), error.retryAfterMs ?? RETRY_MS);
    }
    void this.#flush();
  }

  /** The conversation that a customer's next message goes to; undefined when that will open one. */
  async #openConversation() {
    const { conversations } = await this.request('conversation:list', {});
    return conversations.find(
      ({ status, clientConversationId }) => status !== 'closed' && clientConversationId === null,
    )?.id;
  }

  async #startWork() {
    const me = await this.#loadAgents();
    // Who is away stays away, also after the page is loaded again.
    if (me?.status === 'offline') await this.setStatus('online');
    const { mine } = await this.#loadWork();
    return this.#mine.has(this.conversationId) ? this.conversationId : (mine[0]?.id ?? this.conversationId);
  }

  /** What waits, the next one first, and what this agent answers already. */
  async #loadWork() {
    if (this.session.role === 'customer') return { waiting: [], mine: [] };
    const [waiting, mine] = await Promise.all([
      this.request('conversation:list', { status: 'queued' }),
      this.request('conversation:list', { status: 'assigned', assignee: 'me' }),
    ]);
    const place = ({ queue }) => queue?.position ?? 0;
    const work = { waiting: waiting.conversations.sort((a, b) => place(a) - place(b)), mine: mine.conversations };
    this.#mine = new Set(work.mine.map(({ id }) => id));
    this.view.work(work);
    return work;
  }

  /** Shows who is there; gives this agent. */
  async #loadAgents() {
    if (this.session === null || this.session.role === 'customer') return undefined;
    const { agents } = await this.request('agent:list', {});
    const isMe = ({ id, role }) => id === this.session.userId && role === this.session.role;
    const me = agents.find(isMe);
    this.view.agents(
      me,
      agents.filter((agent) => !isMe(agent)),
    );
    return me;
  }

  /** A conversation has changed hands, or ended. */
  async #turned({ conversationId, assignee }) {
    if (this.#offers.has(conversationId) && assignee) this.#dropOffer(this.#offers.get(conversationId));
    if (conversationId === this.conversationId) await this.#look();
    await this.#loadWork();
    // Whose conversation is over, or somebody else's, goes on with the next one.
    if (this.session.role !== 'customer' && !this.#mine.has(this.conversationId) && this.#mine.size > 0) {
      await this.refresh();
    }
  }

  /** Shows how the conversation stands: who answers, or where in the queue it is. */
  async #look() {
    const { conversationId } = this;
    const look = (this.#lookedAt += 1);
    const { conversation } = await this.request('conversation:get', { conversationId });
    if (conversationId === this.conversationId && look === this.#lookedAt) this.view.standing(conversation);
  }

  /** Whether this agent answers the conversation that is shown. */
  get isMine() {
    return this.#mine.has(this.conversationId);
  }

  /** `online` or `away`. */
  async setStatus(status) {
    await this.#act('agent:status', { status });
    await this.#loadAgents();
  }

  /** To `{ agentId }` or `{ department }`. */
  transfer(to) {
    return this.#act('assignment:transfer', { conversationId: this.conversationId, to });
  }
  release() {
    return this.#act('assignment:release', { conversationId: this.conversationId });
  }
  close() {
    return this.#act('conversation:close', { conversationId: this.conversationId });
  }

  /** Accepts an offer, or declines it. */
  async answerOffer(offer, accepted) {
    const { offerId, conversation } = offer;
    this.#dropOffer(offer);
    await this.#act(accepted ? 'assignment:accept' : 'assignment:decline', {
      conversationId: conversation.id,
      offerId,
    });
    if (accepted) await this.show(conversation.id);
  }

  /** A refusal is shown, and changes nothing. */
  async #act(name, payload) {
    await this.request(name, payload).catch((error) => this.view.failed(error));
  }

  #dropOffer({ offerId, conversation }) {
    if (this.#offers.get(conversation.id)?.offerId === offerId) this.#offers.delete(conversation.id);
    this.#showOffers();
  }

  #showOffers() {
    this.view.offers([...this.#offers.values()]);
  }

  /** Takes a conversation that waits. */
  async claim(conversationId) {
    try {
      await this.request('assignment:claim', { conversationId });
      this.#turnTo(conversationId);
    } catch (error) {
      this.view.failed(error);
    }
    // Also when somebody else was faster: the list is another now.
    await this.refresh();
  }

  /** Shows another conversation. */
  async show(conversationId) {
    this.#turnTo(conversationId);
    await this.refresh();
  }

  /** Begins a conversation anew; what it says comes with the next join. */
  #turnTo(conversationId) {
    this.conversationId = conversationId;
    this.lastSeq = 0;
    this.#live = false;
    this.#typists.clear();
    this.#showTyping();
    this.view.clear();
    for (const { message, uploads } of this.#outbox) {
      if ((message.conversationId ?? conversationId) === conversationId) this.view.pending(message, uploads);
    }
  }

  /** Reads what was missed, page by page; from the last page on, entries come as events. */
  #join() {
    const { conversationId } = this;
    return new Promise((resolve, reject) => {
      const readPage = () => {
        const payload = { conversationId, afterSeq: this.lastSeq };
        this.socket.timeout(ACK_TIMEOUT_MS).emit('conversation:join', payload, (error, reply) => {
          if (error || !reply.ok) return reject(error ?? refusal(reply.error));
          if (conversationId !== this.conversationId) return resolve();
          // Here, and not after an `await`: the next event may stand in the same packet, right behind this answer.
          for (const entry of reply.data.entries) this.#take(entry);
          if (reply.data.hasMore) return readPage();
          this.#live = true;
          for (const { user } of reply.data.typing) this.#typists.set(user.id, user);
          this.#showTyping();
          this.view.standing(reply.data.conversation);
          resolve();
        });
      };
      readPage();
    });
  }

  #take(entry) {
    // The stream has each entry once; what a join brings again ends here.
    if (entry.conversationId !== this.conversationId || entry.seq <= this.lastSeq) return;
    this.lastSeq = entry.seq;
    this.view.entry(entry);
  }

  /** What links are relative to. */
  get server() {
    return SERVER ?? location.href;
  }

  /** A new link to a file of a message: `{ url, thumbnailUrl, expiresAt }`. */
  link(attachmentId) {
    return this.request('attachment:link', { attachmentId });
  }

  /**
   * Begins to upload a file, one after the other; the message that it goes with is written later. `file` is what Upload
   * takes; with `refusal`, words, nothing is sent.
   */
  attach(file, onChange, refusal) {
    const upload = new Upload(this.socket, file, onChange);
    const { conversationId } = this;
    if (refusal !== undefined) upload.refuse(new Error(refusal));
    upload.done = this.#uploads.then(() => upload.run(() => this.#conversationToAttachTo(conversationId)));
    this.#uploads = upload.done;
    return upload;
  }

  /** A file needs a conversation to be in, so a customer's first one opens it. */
  async #conversationToAttachTo(conversationId) {
    if (this.session.role !== 'customer') return conversationId;
    const { conversation } = await this.request('conversation:open', {});
    if (conversation.id !== this.conversationId) {
      this.#turnTo(conversation.id);
      await this.refresh();
    }
    return conversation.id;
  }

  /** Keeps a message until the server has it. A customer names no conversation: his one open one is found, or opened. */
  write(text, uploads = []) {
    const message = { clientMessageId: crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}` };
    if (text !== '') message.text = text;
    if (this.session !== null && this.session.role !== 'customer') message.conversationId = this.conversationId;
    const item = { message, uploads, isComplete: uploads.length === 0 };
    this.#outbox.push(item);
    this.#typingSince = 0;
    this.view.pending(message, uploads);
    if (item.isComplete) void this.#flush();
    else void this.#complete(item);
  }

  /** Waits for the files of a message; what is written in the meantime overtakes it. */
  async #complete(item) {
    const { message, uploads } = item;
    await Promise.all(uploads.map(({ done }) => done));
    for (const { file, error, state } of uploads) {
      if (state === 'refused') this.view.failed(error, { text: file.name });
    }
    const ready = uploads.filter(({ state }) => state === 'ready');
    if (ready.length > 0) {
      // Where they were uploaded to; should that be closed by now, the server says what becomes of it.
      message.conversationId = ready[0].conversationId;
      message.attachmentIds = ready.map(({ attachment }) => attachment.id);
    } else if (message.text === undefined) {
      this.#outbox.splice(this.#outbox.indexOf(item), 1);
      this.view.dropped(message);
      return;
    }
    item.isComplete = true;
    void this.#flush();
  }

  /** Sends the outbox in order. What got no answer is sent again under the same id, of which the server keeps one. */
  async #flush() {
    if (this.#sending) return;
    this.#sending = true;
    for (;;) {
      const item = this.#outbox.find(({ isComplete }) => isComplete);
      if (item === undefined || !this.socket.connected) break;
      const { message } = item;
      try {
        const { entry } = await this.request('message:send', message);
        this.#outbox.splice(this.#outbox.indexOf(item), 1);
        if (this.session.role === 'customer' && entry.conversationId !== this.conversationId) {
          this.#turnTo(entry.conversationId);
          await this.refresh();
        }
      } catch (error) {
        if (error.code && !error.retryable) {
          this.#outbox.splice(this.#outbox.indexOf(item), 1);
          this.view.failed(error, message);
        } else {
          await new Promise((resolve) => setTimeout(resolve, error.retryAfterMs ?? RETRY_MS));
        }
      }
    }
    this.#sending = false;
  }

  /** Tells the others; `text` is what stands in the input now, and is shown to staff only. */
  typing(text) {
    if (!this.#live) return;
    const { conversationId } = this;
    if (text === '') {
      this.#typingSince = 0;
      this.socket.emit('typing:stop', { conversationId });
    } else if (Date.now() - this.#typingSince > TYPING_REPEAT_MS) {
      this.#typingSince = Date.now();
      this.socket.emit('typing:start', { conversationId, preview: text });
    }
  }

  #showTyping() {
    this.view.typing([...this.#typists.values()]);
  }
}
