/* global crypto */
// One file on its way to the server over socket.io-client, in a page or in Node: in chunks, with two of them under way,
// through lost connections and restarted servers, never more than once. This is what you would copy; it needs nothing else.

const IN_FLIGHT = 2;
/** A slow line takes its time; a dead one ends the connection, and with it every wait. */
const ACK_TIMEOUT_MS = 60_000;
const RETRY_MS = 500;
/** Where to go on, the next `attachment:begin` says. */
const GO_ON = new Set(['offset_mismatch', 'attachment_incomplete']);

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const newId = () => crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;

export class Upload {
  /** `waiting` (for its turn, or for the connection), `sending`, `checking`, `ready`, `refused` (see `error`) or `cancelled`. */
  state = 'waiting';
  /** Bytes that the server has; it can be fewer again after the server was killed. */
  receivedBytes = 0;
  /** What the server says of it, once it is `ready`: its `id` goes into the `attachmentIds` of a message. */
  attachment;
  /** Why it is `refused`. With a `code` it is the server's error. */
  error;
  conversationId;
  #socket;
  #onChange;
  /** The same for every try: of one id the server keeps one attachment. */
  #clientAttachmentId = newId();
  #attachmentId;
  #hash;

  /**
   * `file`: `{ name, size, mediaType, read, sha256 }`. `read(start, end)` gives these bytes, or a promise of them;
   * `sha256()` a hash in hexadecimal digits, or a promise of it, or undefined. `mediaType` and `sha256` may be left out.
   */
  constructor(socket, file, onChange = () => undefined) {
    this.#socket = socket;
    this.file = file;
    this.#onChange = onChange;
  }

  /**
   * Resolves when it is `ready`, `refused` or `cancelled`; never rejects. `findConversation` gives the id of the conversation,
   * or a promise of it, and is asked again when that fails for now.
   */
  async run(findConversation) {
    while (this.#isUnderWay) {
      try {
        await this.#connected();
        if (this.#isUnderWay) await this.#goOn(findConversation);
      } catch (error) {
        if (!this.#isUnderWay) break;
        if (error.code && !error.retryable && !GO_ON.has(error.code)) this.refuse(error);
        else {
          this.#turn('waiting');
          await sleep(error.retryAfterMs ?? RETRY_MS);
        }
      }
    }
    if (this.state === 'cancelled') await this.#abort();
  }

  refuse(error) {
    this.error = error;
    this.#turn('refused');
  }

  /** Gives it up, also when it is `ready`; not when it stands in a message. */
  cancel() {
    const isOver = !this.#isUnderWay;
    if (isOver && this.state !== 'ready') return;
    this.#turn('cancelled');
    if (isOver) void this.#abort();
  }

  get #isUnderWay() {
    return this.state === 'waiting' || this.state === 'sending' || this.state === 'checking';
  }

  /** From the beginning, or from where the server has it. */
  async #goOn(findConversation) {
    this.conversationId ??= await findConversation();
    const { name, size, mediaType } = this.file;
    const { attachmentId, chunkBytes, receivedBytes } = await this.#request('attachment:begin', {
      conversationId: this.conversationId,
      clientAttachmentId: this.#clientAttachmentId,
      name,
      size,
      ...(mediaType && { mediaType }),
    });
    this.#attachmentId = attachmentId;
    this.receivedBytes = receivedBytes;
    if (!this.#isUnderWay) return;
    this.#turn('sending');
    await this.#sendFrom(receivedBytes, chunkBytes);
    if (!this.#isUnderWay) return;
    this.#turn('checking');
    this.#hash ??= await this.file.sha256?.();
    // Answered after a few seconds in any case: a virus scanner may take longer.
    while (this.#isUnderWay) {
      const { attachment } = await this.#request('attachment:finish', {
        attachmentId,
        ...(this.#hash && { sha256: this.#hash }),
      });
      if (!this.#isUnderWay || attachment.state === 'checking') continue;
      this.attachment = attachment;
      this.#turn('ready');
    }
  }

  async #sendFrom(start, chunkBytes) {
    const { size } = this.file;
    const answers = [];
    let offset = start;
    try {
      while (this.#isUnderWay && (offset < size || answers.length > 0)) {
        if (offset < size && answers.length < IN_FLIGHT) {
          const end = Math.min(offset + chunkBytes, size);
          const data = await this.#read(offset, end);
          const answer = this.#request('attachment:chunk', { attachmentId: this.#attachmentId, offset, data });
          // Each is awaited below; until then, a failure is nobody's unhandled rejection.
          answer.catch(() => undefined);
          answers.push(answer);
          offset = end;
        } else {
          this.receivedBytes = (await answers.shift()).receivedBytes;
          if (this.#isUnderWay) this.#turn('sending');
        }
      }
    } finally {
      // What is still under way has to have landed before another try, or the end of it.
      await Promise.allSettled(answers);
    }
  }

  /** Files change, and are removed: trying again would not help. */
  async #read(start, end) {
    try {
      const data = await this.file.read(start, end);
      if (data.byteLength === end - start) return data;
    } catch {
      // Said below, in the same words.
    }
    const message = 'The file can not be read any more, or has changed.';
    throw Object.assign(new Error(message), { code: 'unreadable', retryable: false });
  }

  /** An upload that is never given up or sent is removed by the server after `limits.uploadMs`. */
  async #abort() {
    const { attachment = { id: this.#attachmentId } } = this;
    while (attachment.id !== undefined) {
      try {
        await this.#connected();
        await this.#request('attachment:abort', { attachmentId: attachment.id });
        return;
      } catch (error) {
        if (error.code && !error.retryable) return;
        await sleep(error.retryAfterMs ?? RETRY_MS);
      }
    }
  }

  async #request(name, payload) {
    const reply = await this.#socket.timeout(ACK_TIMEOUT_MS).emitWithAck(name, payload);
    if (reply.ok) return reply.data;
    throw Object.assign(new Error(reply.error.message), reply.error);
  }

  /** What is sent without a connection would be kept, and sent late. */
  async #connected() {
    if (!this.#socket.connected) await new Promise((resolve) => this.#socket.once('connect', resolve));
  }

  #turn(state) {
    this.state = state;
    this.#onChange(this);
  }
}
