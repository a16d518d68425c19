/* global document, location, fetch, addEventListener, ResizeObserver */
// The page: a pane for a customer, a pane for an agent, side by side. The tokens stand in the part of the address that
// browsers keep to themselves: #customer=…&agent=…
import { Chat } from './chat.js';

/** Makes an element; text only ever becomes text. */
const element = (tag, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
};

/** What a line of the log says that is no message. */
const NOTES = {
  'conversation:opened': () => 'Opened',
  'conversation:assigned': ({ assignee }) => `${assignee.name} answers`,
  'conversation:released': ({ previousAssignee }) =>
    `${previousAssignee?.name ?? 'Nobody'} has handed over; waiting for somebody else`,
  'conversation:closed': () => 'Closed',
  'conversation:reopened': () => 'Reopened',
  'conversation:rated': ({ score }) => `Rated ${score} of 5`,
};

/** One person's side. */
class Pane {
  #rows = new Map();

  constructor(title, token) {
    this.title = element('h1', { textContent: title });
    this.status = element('span', { className: 'state' });
    this.conversations = element('nav', { className: 'work', ariaLabel: 'Conversations' });
    this.log = element('ol', { className: 'log' });
    this.typists = element('p', { className: 'typing', ariaLive: 'polite' });
    this.input = element('input', {
      disabled: true,
      placeholder: 'Write a message',
      autocomplete: 'off',
      ariaLabel: `Message of ${title}`,
    });
    const form = element('form', {}, this.input, element('button', { textContent: 'Send' }));
    const header = element('header', {}, this.title, this.status);
    this.root = element(
      'section',
      { className: 'pane', id: title.toLowerCase() },
      header,
      this.conversations,
      this.log,
      this.typists,
      form,
    );
    this.state('connecting');
    this.chat = new Chat(token, this);
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      const text = this.input.value.trim();
      if (text !== '') this.chat.write(text);
      this.input.value = '';
    });
    this.input.addEventListener('input', () => this.chat.typing(this.input.value));
    // A telephone's keyboard takes half of the page.
    new ResizeObserver(() => this.#toEnd()).observe(this.log);
    // Another tab, or another device, may have opened a conversation meanwhile.
    addEventListener('focus', () => void this.chat.refresh());
  }

  state(state, text = state) {
    this.status.dataset.state = state;
    this.status.textContent = text;
  }

  session({ name, role }) {
    this.title.textContent = `${name} (${role})`;
    this.allowWriting();
  }

  /** An agent has to take a conversation first. */
  allowWriting() {
    const { session, conversationId } = this.chat;
    this.input.disabled = session.role !== 'customer' && conversationId === null;
    this.input.placeholder = this.input.disabled ? 'Take a conversation first' : 'Write a message';
  }

  clear() {
    this.#rows.clear();
    this.log.replaceChildren();
    this.allowWriting();
    for (const button of this.conversations.children)
      button.classList.toggle('current', button.dataset.id === this.chat.conversationId);
  }

  entry(entry) {
    if (entry.type === 'message:created') {
      const mine = entry.author?.id === this.chat.session.userId;
      // Where it stands in the log is the server's to say, so the pending line goes and a new one comes.
      this.#rows.get(entry.clientMessageId)?.remove();
      this.#line(entry.id, entry.text ?? 'deleted', mine ? 'mine' : 'theirs', mine ? undefined : entry.author?.name);
    } else if (entry.type === 'message:edited' || entry.type === 'message:deleted') {
      const row = this.#rows.get(entry.messageId);
      if (row) row.lastChild.textContent = entry.text ?? 'deleted';
    } else if (NOTES[entry.type]) {
      this.#note(NOTES[entry.type](entry));
    }
  }

  /** Written, and not acknowledged yet. */
  pending({ clientMessageId, text }) {
    this.#line(clientMessageId, text, 'mine pending');
  }

  failed(error, message) {
    this.#rows.get(message?.clientMessageId)?.remove();
    this.#note(message ? `Not sent: ${message.text} (${error.message})` : error.message);
  }

  typing(users) {
    const lines = users.map(({ name, preview }) => (preview ? `${name} is typing: ${preview}` : `${name} is typing…`));
    this.typists.textContent = lines.join(' · ');
  }

  work({ waiting, mine }) {
    const button = ({ id }, className, textContent, onclick) => {
      const made = element('button', { type: 'button', className, textContent, onclick });
      made.dataset.id = id;
      made.classList.toggle('current', id === this.chat.conversationId);
      return made;
    };
    this.conversations.replaceChildren(
      ...waiting.map((one) => button(one, 'waiting', `Take ${one.customer.name}`, () => this.chat.claim(one.id))),
      ...mine.map((one) => button(one, 'mine', one.customer.name, () => this.chat.show(one.id))),
    );
  }

  #line(id, text, className, author) {
    const by = author === undefined ? [] : [element('small', { textContent: author })];
    const row = element('li', { className }, ...by, element('span', { textContent: text }));
    this.#rows.set(id, row);
    this.#append(row);
  }

  #note(text) {
    this.#append(element('li', { className: 'note', textContent: text }));
  }

  #append(row) {
    this.log.append(row);
    this.#toEnd();
  }

  #toEnd() {
    this.log.scrollTop = this.log.scrollHeight;
  }
}

const panes = document.getElementById('panes');

/** Without a token: an anonymous customer, as a visitor of your site would be. */
const becomeVisitor = async () => {
  const response = await fetch('/v1/visitors', { method: 'POST' });
  if (!response.ok) throw new Error((await response.json()).detail);
  const { token } = await response.json();
  location.hash = `customer=${token}`;
};

addEventListener('hashchange', () => location.reload());
const tokens = new URLSearchParams(location.hash.slice(1));
for (const title of ['Customer', 'Agent']) {
  const token = tokens.get(title.toLowerCase());
  if (token) panes.append(new Pane(title, token).root);
}
if (!panes.firstChild) {
  becomeVisitor().catch((error) => {
    const text = `Open this page with tokens in its address, #customer=…&agent=…; deskwire token makes them. (${error.message})`;
    panes.append(element('p', { className: 'help', textContent: text }));
  });
}
