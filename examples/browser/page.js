/* global document, location, fetch, addEventListener, ResizeObserver */
// The page: a pane for a customer, a pane for an agent, side by side. The tokens stand in the part of the address that
// browsers keep to themselves: #customer=…&agent=…
import { Chat } from './chat.js';
import { attachedFile, element, errorInWords } from './files.js';
import { Tray } from './tray.js';

/** What a line of the log says that is no message. */
const NOTES = {
  'conversation:opened': () => 'Opened',
  'conversation:assigned': ({ assignee }) => `${assignee.name} answers`,
  'conversation:released': ({ previousAssignee, reason }) => {
    const name = previousAssignee?.name ?? 'Nobody';
    return reason.startsWith('agent_') ? `${name} has left; somebody else will answer` : `${name} has handed over`;
  },
  'conversation:transferred': ({ assignee, department, summary }) =>
    `${assignee ? `${assignee.name} answers from here` : `Handed over to ${department}`}${summary ? `: ${summary}` : ''}`,
  'conversation:closed': () => 'Closed',
  'conversation:reopened': () => 'Reopened',
  'conversation:rated': ({ score }) => `Rated ${score} of 5`,
};

const minutes = (ms) => (ms < 90_000 ? 'about a minute' : `about ${Math.round(ms / 60_000)} minutes`);

/** What a place in the queue means to the one who waits. */
const inWords = ({ position, estimatedWaitMs, basis, opensAt }) => {
  if (basis === 'out_of_hours') {
    const when =
      opensAt && new Date(opensAt).toLocaleString([], { weekday: 'long', hour: '2-digit', minute: '2-digit' });
    return `We are closed${when ? ` until ${when}` : ''}. Your message is kept.`;
  }
  const place = position === 1 ? 'You are next.' : `You are number ${position} in the queue.`;
  if (basis === 'nobody_online') return `Nobody is online at the moment. ${place}`;
  return `${place}${estimatedWaitMs === null ? '' : ` Expected wait: ${minutes(estimatedWaitMs)}.`}`;
};

/** One person's side. */
class Pane {
  #rows = new Map();

  constructor(title, token) {
    this.title = element('h1', { textContent: title });
    this.status = element('span', { className: 'state' });
    this.conversations = element('nav', { className: 'work', ariaLabel: 'Conversations' });
    this.log = element('ol', { className: 'log' });
    this.stand = element('p', { className: 'standing', ariaLive: 'polite' });
    this.toggle = element('button', { type: 'button', className: 'toggle', hidden: true });
    this.toggle.onclick = () => void this.chat.setStatus(this.toggle.dataset.status === 'online' ? 'away' : 'online');
    this.offered = element('div', { className: 'offers', ariaLive: 'polite' });
    this.target = element('select', { ariaLabel: 'Transfer to' });
    this.target.onchange = () => (this.chosen = this.target.value);
    const act = (textContent, onclick) => element('button', { type: 'button', textContent, onclick });
    this.transferring = act('Transfer', () => void this.chat.transfer(JSON.parse(this.target.value)));
    this.actions = element(
      'div',
      { className: 'actions', hidden: true },
      this.target,
      this.transferring,
      act('Release', () => void this.chat.release()),
      act('Close', () => void this.chat.close()),
    );
    this.typists = element('p', { className: 'typing', ariaLive: 'polite' });
    this.picker = element('input', { type: 'file', multiple: true, hidden: true });
    this.picker.onchange = () => {
      this.tray.add(this.picker.files);
      // The same file may be chosen again.
      this.picker.value = '';
      this.input.focus();
    };
    const clip = element('img', { src: 'clip.svg', alt: '', width: 22, height: 22 });
    this.attaching = element('button', { type: 'button', className: 'attach', disabled: true }, clip);
    this.attaching.title = 'Attach files; they can be dropped and pasted, too';
    this.attaching.ariaLabel = 'Attach files';
    this.attaching.onclick = () => this.picker.click();
    this.input = element('input', {
      disabled: true,
      placeholder: 'Write a message',
      autocomplete: 'off',
      ariaLabel: `Message of ${title}`,
    });
    const sending = element('button', { textContent: 'Send' });
    const form = element('form', {}, this.picker, this.attaching, this.input, sending);
    const header = element('header', {}, this.title, this.toggle, this.status);
    this.root = element(
      'section',
      { className: 'pane', id: title.toLowerCase() },
      header,
      this.conversations,
      this.offered,
      this.actions,
      this.stand,
      this.log,
      this.typists,
      form,
    );
    this.state('connecting');
    this.chat = new Chat(token, this);
    this.tray = new Tray(this.chat);
    form.before(this.tray.root);
    this.#takeDropped();
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      const text = this.input.value.trim();
      const uploads = this.tray.take();
      if (text !== '' || uploads.length > 0) this.chat.write(text, uploads);
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

  session({ name, role, attachmentTypes }) {
    this.title.textContent = `${name} (${role})`;
    this.picker.accept = attachmentTypes.includes('*/*') ? '' : attachmentTypes.join();
    this.allowWriting();
  }

  /** An agent has to have a conversation first. */
  allowWriting() {
    const { session, conversationId, isMine } = this.chat;
    const customer = session.role === 'customer';
    this.input.disabled = !customer && !isMine;
    this.attaching.disabled = this.input.disabled;
    this.input.placeholder = this.input.disabled ? 'Nothing to answer' : 'Write a message';
    this.actions.hidden = customer || !isMine;
    if (!customer && conversationId === null) this.stand.textContent = '';
  }

  /** How the conversation stands: who answers, or where in the queue it is. */
  standing({ status, assignee, queue }) {
    const customer = this.chat.session.role === 'customer';
    this.stand.dataset.status = status;
    if (status === 'assigned') this.stand.textContent = customer ? `You are talking with ${assignee.name}.` : '';
    else if (status === 'closed') this.stand.textContent = 'This conversation is closed.';
    else if (customer) this.stand.textContent = queue ? inWords(queue) : '';
    else this.stand.textContent = queue ? `Waits at place ${queue.position}.` : 'Waits.';
    this.allowWriting();
  }

  /** Who is there: this agent, and to whom he can hand over. */
  agents(me, others) {
    const status = me?.status ?? 'offline';
    this.toggle.hidden = false;
    this.toggle.dataset.status = status;
    this.toggle.textContent = status;
    this.toggle.title = status === 'online' ? 'Take a break: no new work' : 'Take new work';
    const option = (to, textContent) => element('option', { value: JSON.stringify(to), textContent });
    const people = others.filter((agent) => agent.status === 'online' && agent.role !== 'bot');
    const departments = [...new Set([...others, ...(me ? [me] : [])].flatMap((agent) => agent.departments))].sort();
    this.target.replaceChildren(
      ...people.map(({ id, name, activeCount, capacity }) =>
        option({ agentId: id }, `${name} (${activeCount} of ${capacity})`),
      ),
      ...departments.map((department) => option({ department }, `Department ${department}`)),
    );
    // What was chosen stays chosen while there are news of others.
    if ([...this.target.options].some(({ value }) => value === this.chosen)) this.target.value = this.chosen;
    const none = this.target.options.length === 0;
    if (none) this.target.append(option({}, 'Nobody else is online'));
    this.target.disabled = none;
    this.transferring.disabled = none;
  }

  offers(offers) {
    this.offered.replaceChildren(
      ...offers.map((offer) => {
        const until = new Date(offer.expiresAt).toLocaleTimeString();
        const answer = (textContent, accepted, className) =>
          element('button', {
            type: 'button',
            textContent,
            className,
            onclick: () => void this.chat.answerOffer(offer, accepted),
          });
        const text = element('span', {
          textContent: `${offer.conversation.customer.name} is offered to you, until ${until}`,
        });
        return element('div', {}, text, answer('Accept', true, ''), answer('Decline', false, 'quiet'));
      }),
    );
  }

  clear() {
    this.#rows.clear();
    this.log.replaceChildren();
    this.stand.textContent = '';
    this.tray.turn();
    this.allowWriting();
    for (const button of this.conversations.children)
      button.classList.toggle('current', button.dataset.id === this.chat.conversationId);
  }

  entry(entry) {
    if (entry.type === 'message:created') {
      const mine = entry.author?.id === this.chat.session.userId;
      // Where it stands in the log is the server's to say, so the pending line goes and a new one comes.
      this.#rows.get(entry.clientMessageId)?.remove();
      // What the server says by itself has no author.
      const name = entry.author?.name ?? 'Automatic answer';
      const text = entry.deletedAt ? 'deleted' : entry.text;
      const files = entry.attachments.map((attachment) => {
        const renew = () => this.chat.link(attachment.id);
        return attachedFile(attachment, { server: this.chat.server, renew });
      });
      this.#line(entry.id, text, mine ? 'mine' : 'theirs', mine ? undefined : name, files);
    } else if (entry.type === 'message:edited' || entry.type === 'message:deleted') {
      const row = this.#rows.get(entry.messageId);
      if (row) row.querySelector('span.text').textContent = entry.text ?? 'deleted';
      if (entry.type === 'message:deleted') row?.querySelectorAll('a').forEach((file) => file.remove());
    } else if (NOTES[entry.type]) {
      this.#note(NOTES[entry.type](entry));
    }
  }

  /** Written, and not acknowledged yet. */
  pending({ clientMessageId, text }, uploads) {
    const lines = uploads.map((upload) => this.tray.lineOf(upload));
    this.#line(clientMessageId, text, 'mine pending', undefined, lines);
  }

  /** Nothing is left of it to send. */
  dropped({ clientMessageId }) {
    this.#rows.get(clientMessageId)?.remove();
  }

  failed(error, message) {
    if (message) this.dropped(message);
    const why = errorInWords(error);
    this.#note(message ? `Not sent: ${message.text ?? 'files'} (${why})` : why);
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
      ...waiting.map((one) => {
        const urgency = ['high', 'urgent'].includes(one.priority) ? ` (${one.priority})` : '';
        return button(one, 'waiting', `Take ${one.customer.name}${urgency}`, () => this.chat.claim(one.id));
      }),
      ...mine.map((one) => button(one, 'mine', one.customer.name, () => this.chat.show(one.id))),
    );
    this.allowWriting();
  }

  /** Files that are dropped on the pane, or pasted into it. */
  #takeDropped() {
    const take = (event, transfer) => {
      if (transfer.files.length === 0) return;
      event.preventDefault();
      if (!this.attaching.disabled) this.tray.add(transfer.files);
    };
    const show = (over) => this.root.classList.toggle('dropping', over && !this.attaching.disabled);
    this.root.addEventListener('paste', (event) => take(event, event.clipboardData));
    this.root.addEventListener('dragover', (event) => show(event.dataTransfer.types.includes('Files')));
    this.root.addEventListener('dragleave', (event) => show(this.root.contains(event.relatedTarget)));
    this.root.addEventListener('drop', (event) => {
      show(false);
      take(event, event.dataTransfer);
    });
  }

  #line(id, text, className, author, files = []) {
    const by = author === undefined ? [] : [element('small', { textContent: author })];
    const said = element('span', { className: 'text', textContent: text ?? '' });
    const row = element('li', { className }, ...by, said, ...files);
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

// A file that is dropped beside a pane would be opened instead of the page.
for (const name of ['dragover', 'drop']) {
  addEventListener(name, (event) => {
    if (event.dataTransfer.types.includes('Files')) event.preventDefault();
  });
}
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
