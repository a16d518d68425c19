import { LIMIT_NAMES, LIMITS, type Limits } from '../contract/limits.ts';
import type { JsonObject } from './schemas.ts';

/** What a reader has to know before the first message. */
export const OVERVIEW = `A realtime API for customer support: conversations between customers and those who answer them, over Socket.IO.

## Connecting

Any Socket.IO client of protocol 5 (JavaScript 4.x, python-socketio 5.x and others), over WebSocket or long-polling, with the default path \`/socket.io/\` and the namespace \`/\`:

    const socket = io('http://localhost:3000', { auth: { token } });

The token is a JWT with \`sub\`, \`exp\` and \`role\` (\`customer\`, \`agent\`, \`supervisor\` or \`bot\`), and perhaps \`tenant\`, \`name\`, \`departments\`, \`skills\` and \`maxChats\`. The first event is \`session:ready\`; a handshake refused for good is a \`connect_error\` whose \`err.data\` is an error object.

## Requests and replies

A message's \`name\` is the name of its event, and its payload the event's one argument. Every request takes an acknowledgement, and every request gets exactly one reply through it: the reply of its operation. It has no event name of its own on the wire; here it is called by its request's, with \`:reply\` at the end.

    const reply = await socket.timeout(10_000).emitWithAck('message:send', { conversationId, clientMessageId, text });
    if (reply.ok) show(reply.data.entry);
    else if (reply.error.retryable) retryWithTheSameClientMessageId();

A request sent without an acknowledgement runs all the same; if it fails, \`request:failed\` follows. An absent payload counts as \`{}\`; unknown fields are refused. The role is checked before the payload, the payload before the object. An event that the server does not know is answered \`unknown_event\`.

## Events

Facts are the entries of a conversation's log. They have a \`seq\` and reach every member who may see them once and in order; after a reconnect, \`conversation:join\` with \`afterSeq\` gives what was missed. Ephemeral events are not kept.

Times are ISO 8601 in UTC, ids are opaque strings, sizes are bytes; a \`maxLength\` of a text is its limit in bytes of UTF-8. \`x-errors\` lists every error, \`x-limits\` every limit of this server.`;

const TOPICS = {
  session: 'Signing in and out.',
  conversation: 'Support rooms and their log.',
  message: 'Messages, their edits, and who has read them.',
  typing: 'Who is typing.',
  participant: 'Who is here.',
  receipt: 'How far members have received and read.',
  queue: 'Places in the queue.',
  agent: 'Availability of those who answer.',
  assignment: 'Who answers.',
  attachment: 'Files: uploads in chunks, and links to them.',
  server: 'The server itself.',
  request: 'Requests without acknowledgement.',
} as const satisfies Record<string, string>;

/** Tags of the document, for the topics that it has. */
export const topicTags = (topics: ReadonlySet<string>): JsonObject[] => {
  const described: Readonly<Record<string, string>> = TOPICS;
  return [...topics].map((name) => {
    const description = described[name];
    if (description === undefined) throw new Error(`Found no description of the topic ${name}; add it to TOPICS.`);
    return { name, description };
  });
};

/** Every limit with the value it has here. */
export const limitTable = (limits: Limits): JsonObject =>
  Object.fromEntries(LIMIT_NAMES.map((name): [string, JsonObject] => [name, { value: limits[name], ...LIMITS[name] }]));

export const SERVERS: JsonObject = {
  local: {
    host: 'localhost:3000',
    pathname: '/socket.io/',
    protocol: 'ws',
    protocolVersion: '13',
    title: 'This machine',
    description: 'Socket.IO 4 over WebSocket (or long-polling), as `deskwire serve` starts it.',
    security: [{ $ref: '#/components/securitySchemes/token' }],
  },
  production: {
    host: '{host}',
    pathname: '/socket.io/',
    protocol: 'wss',
    protocolVersion: '13',
    title: 'Your server',
    description: 'Socket.IO 4 over WebSocket (or long-polling), behind TLS.',
    variables: {
      host: {
        default: 'support.example.com',
        description: 'Name of your server, with its port where that is not 443.',
        examples: ['support.example.com', 'support.example.com:8443'],
      },
    },
    security: [{ $ref: '#/components/securitySchemes/token' }],
  },
};

export const SECURITY_SCHEMES: JsonObject = {
  token: {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description:
      "A JWT in the `token` of Socket.IO's `auth` object: `io(url, { auth: { token } })`. Required claims: `sub`, `exp`, `role`.",
  },
};

/** How the WebSocket is opened; there is no official Socket.IO binding. */
export const WS_BINDING: JsonObject = {
  ws: {
    method: 'GET',
    query: {
      type: 'object',
      properties: {
        EIO: { type: 'string', const: '4', description: 'Engine.IO protocol.' },
        transport: { type: 'string', enum: ['websocket', 'polling'] },
      },
      required: ['EIO', 'transport'],
    },
    bindingVersion: '0.1.0',
  },
};
