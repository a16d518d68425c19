/* global crypto */
// The files that go with the next message: each is on its way as soon as it is chosen.
import { element, progressInWords, refusalInWords } from './files.js';

/** Beyond this a file is not read into memory for its hash. */
const HASHED_BYTES = 256 * 1024 * 1024;

const hashOf = async (blob) => {
  // Pages over plain HTTP have no `subtle`; then nobody compares but TCP.
  if (!crypto.subtle || blob.size > HASHED_BYTES) return undefined;
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', await blob.arrayBuffer()));
  return [...hash].map((byte) => byte.toString(16).padStart(2, '0')).join('');
};

/** A browser's File as Upload takes it. */
export const fileOf = (blob) => ({
  // What would hide, or turn the direction around, is no part of a name that is shown.
  name: blob.name.replace(/[\p{C}\p{Zl}\p{Zp}/\\]/gu, '_'),
  size: blob.size,
  mediaType: blob.type,
  read: (start, end) => blob.slice(start, end).arrayBuffer(),
  sha256: () => hashOf(blob),
});

/** The line of a file that is not in a message yet. */
class FileLine {
  #bar = element('progress', { max: 1 });
  #said = element('span', { className: 'said' });
  #button = element('button', { type: 'button', textContent: '×' });

  /** `onDismiss`: it was cancelled, or its refusal was read. */
  constructor({ name, size }, onDismiss) {
    this.#bar.max = Math.max(1, size);
    this.#bar.value = 0;
    this.#bar.ariaLabel = `Upload of ${name}`;
    this.#button.onclick = onDismiss;
    const title = element('span', { className: 'name', textContent: name, title: name });
    this.name = name;
    this.root = element('div', { className: 'file' }, title, this.#said, this.#bar, this.#button);
  }

  show(upload) {
    const { state, receivedBytes } = upload;
    this.root.dataset.state = state;
    this.#bar.value = receivedBytes;
    this.#bar.hidden = state === 'ready' || state === 'refused';
    this.#said.textContent = progressInWords(upload);
    this.#said.role = state === 'refused' ? 'alert' : null;
    const label = `${{ refused: 'Dismiss', ready: 'Remove' }[state] ?? 'Cancel'} ${this.name}`;
    this.#button.ariaLabel = label;
    this.#button.title = label;
  }
}

/** Lines of files, under the log. */
export class Tray {
  root = element('div', { className: 'tray', role: 'group', ariaLabel: 'Files to send' });
  #chat;
  /** What waits to be sent, by upload: the conversation that an agent chose it for. */
  #waiting = new Map();
  #lines = new WeakMap();

  constructor(chat) {
    this.#chat = chat;
  }

  /** The line of a file, for wherever it is shown. */
  lineOf(upload) {
    return this.#lines.get(upload).root;
  }

  add(blobs) {
    for (const blob of blobs) this.#addOne(fileOf(blob));
  }

  /** What goes with the message that is sent now. What was refused stays, to be read. */
  take() {
    const taken = this.#ready();
    for (const upload of taken) this.#waiting.delete(upload);
    return taken;
  }

  /** Another conversation is shown: each has its own. */
  turn() {
    for (const [upload] of this.#waiting) this.lineOf(upload).hidden = !this.#isHere(upload);
  }

  #addOne(file) {
    const { session, conversationId } = this.#chat;
    const room = session.limits.attachmentsPerMessage;
    const tooMany = this.#ready().length < room ? undefined : `A message takes ${room} files.`;
    const line = new FileLine(file, () => {
      upload.cancel();
      line.root.remove();
      this.#waiting.delete(upload);
    });
    const refusal = tooMany ?? refusalInWords(file, session);
    const upload = this.#chat.attach(file, (changed) => line.show(changed), refusal);
    line.show(upload);
    this.#lines.set(upload, line);
    this.#waiting.set(upload, session.role === 'customer' ? undefined : conversationId);
    this.root.append(line.root);
    this.root.scrollTop = this.root.scrollHeight;
  }

  #ready() {
    return [...this.#waiting.keys()].filter((upload) => upload.state !== 'refused' && this.#isHere(upload));
  }

  #isHere(upload) {
    const conversationId = this.#waiting.get(upload);
    return conversationId === undefined || conversationId === this.#chat.conversationId;
  }
}
