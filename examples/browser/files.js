/* global document */
// Files as the page shows them: what is said of them, and how they stand in a message. See tray.js for those on their way.

const UNITS = ['bytes', 'KB', 'MB', 'GB'];

/** Makes an element; text only ever becomes text. */
export const element = (tag, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
};

const power = (bytes) => Math.min(UNITS.length - 1, Math.floor(Math.log(Math.max(1, bytes)) / Math.log(1024)));
const inUnit = (bytes, unit) => (bytes / 1024 ** unit).toFixed(unit > 1 ? 1 : 0).replace(/\.0$/, '');

/** `20.4 MB`. */
export const sizeInWords = (bytes) => `${inUnit(bytes, power(bytes))} ${UNITS[power(bytes)]}`;

const listed = (words) => [...new Set(words)].join(', ').replace(/, ([^,]*)$/, ' and $1');

/** What accepted types are called by those who have to choose a file. */
const KINDS = [
  [/^image\//, 'pictures'],
  [/\/pdf$/, 'PDF'],
  [/\/zip$/, 'ZIP'],
  [/word|opendocument\.text$/, 'documents'],
  [/excel|sheet/, 'spreadsheets'],
  [/powerpoint|presentation/, 'presentations'],
  [/^text\/|json$/, 'text'],
  [/^audio\//, 'audio'],
  [/^video\//, 'video'],
  [/\*/, 'any file'],
];

/** Of the same kind exactly what is accepted, else what kinds are. */
const acceptedInWords = (types, mediaType) => {
  const [kind] = mediaType.split('/');
  const alike = types.filter((type) => kind !== 'application' && type.startsWith(`${kind}/`));
  if (alike.length > 0) return listed(alike.map((type) => type.split('/')[1].toUpperCase()));
  return listed(types.map((type) => KINDS.find(([pattern]) => pattern.test(type))?.[1] ?? type));
};

const typeInWords = (mediaType, accepted) =>
  `This type (${mediaType}) can not be sent here; these can: ${acceptedInWords(accepted, mediaType)}.`;

/** Why a file is refused, before a byte of it is sent; undefined: ask the server. */
export const refusalInWords = ({ size, mediaType }, { limits, attachmentTypes }) => {
  if (size === 0) return 'Empty files and folders can not be sent.';
  if (size > limits.attachmentBytes) {
    return `${sizeInWords(size)} is too large: at most ${sizeInWords(limits.attachmentBytes)} can be sent.`;
  }
  // Some names have several spellings, which the server knows: of these it is asked.
  if (!mediaType || /^audio\/|^video\/|\/x-/.test(mediaType)) return undefined;
  const accepted = ['*/*', mediaType, mediaType.replace(/\/.*/, '/*')];
  if (attachmentTypes.some((type) => accepted.includes(type))) return undefined;
  return typeInWords(mediaType, attachmentTypes);
};

/** The server's refusal, as a person reads it. */
export const errorInWords = ({ code, message, details }) => {
  if (code !== 'unsupported_media_type' || !details) return message;
  if (details.threat) return `The virus scanner found ${details.threat} in it.`;
  const found = details.found === 'application/octet-stream' ? 'of no known type' : details.found;
  if (details.expected) return `It says that it is ${details.expected}, but its content is ${found}.`;
  if (details.source === 'name')
    return `Files that end with ${details.found} can not be sent: they run when they are opened.`;
  if (details.accepted) return typeInWords(details.found, details.accepted);
  return message;
};

/** How far an upload is, or what became of it. */
export const progressInWords = ({ file: { size }, receivedBytes, state, error }) => {
  const unit = power(size);
  const percent = Math.floor((receivedBytes / size) * 100);
  const far = `${inUnit(receivedBytes, unit)} of ${inUnit(size, unit)} ${UNITS[unit]} · ${percent} %`;
  switch (state) {
    case 'waiting':
      return receivedBytes > 0 ? `${far} · waiting for the connection` : 'Waiting';
    case 'sending':
      return far;
    case 'checking':
      return 'Being checked…';
    case 'ready':
      return sizeInWords(size);
    case 'refused':
      return errorInWords(error);
    default:
      return 'Cancelled';
  }
};

/**
 * A file of a message: a picture of it, or its name, as a link. Links end: `renew` gives `{ url, thumbnailUrl, expiresAt }`
 * anew, and is asked when a picture does not load or a link that has ended is followed. `server` is what they are relative to.
 */
export const attachedFile = (attachment, { server, renew }) => {
  const { name, size, thumbnail } = attachment;
  const link = element('a', { className: thumbnail ? 'picture' : 'attached' });
  const about = element('small', { textContent: `${name} · ${sizeInWords(size)}` });
  // The size is reserved: nothing moves when the picture comes.
  const picture = thumbnail && element('img', { width: thumbnail.width, height: thumbnail.height, alt: name });
  let ends;
  let isNew = false;
  const show = ({ url, expiresAt, thumbnailUrl }) => {
    link.href = new URL(url, server);
    ends = Date.parse(expiresAt);
    if (picture) picture.src = new URL(thumbnailUrl, server);
  };
  const showAnew = async () => {
    try {
      show(await renew());
      return true;
    } catch (error) {
      about.textContent = `${name} · ${error.code === 'not_found' ? 'no longer there' : error.message}`;
      return false;
    }
  };

  if (picture) {
    link.target = '_blank';
    link.rel = 'noopener';
    // Once: what does not load with a new link either is gone.
    picture.addEventListener('error', () => void showAnew(), { once: true });
    link.append(picture, about);
  } else {
    link.append(element('span', { textContent: name }), element('small', { textContent: sizeInWords(size) }));
  }
  link.addEventListener('click', (event) => {
    // A new one is followed in any case: this clock may run ahead of the server's.
    if (isNew || Date.now() < ends) {
      isNew = false;
      return;
    }
    event.preventDefault();
    void showAnew().then((renewed) => {
      isNew = renewed;
      if (renewed) link.click();
    });
  });
  show({ ...attachment, thumbnailUrl: thumbnail?.url });
  return link;
};
