/** A small AsyncAPI document in the shape of ours: one request with its reply, one event. */
export const sampleDocument = {
  asyncapi: '3.0.0',
  info: { title: 'Deskwire sample', version: '0.0.1' },
  channels: {
    socket: {
      address: '/',
      messages: {
        'message:send': { $ref: '#/components/messages/messageSend' },
        'message:send.reply': { $ref: '#/components/messages/messageSendReply' },
        'message:created': { $ref: '#/components/messages/messageCreated' },
      },
    },
  },
  operations: {
    messageSend: {
      action: 'receive',
      title: 'Send a message',
      channel: { $ref: '#/channels/socket' },
      messages: [{ $ref: '#/channels/socket/messages/message:send' }],
      reply: {
        channel: { $ref: '#/channels/socket' },
        messages: [{ $ref: '#/channels/socket/messages/message:send.reply' }],
      },
    },
    messageCreated: {
      action: 'send',
      title: 'Message',
      channel: { $ref: '#/channels/socket' },
      messages: [{ $ref: '#/channels/socket/messages/message:created' }],
    },
  },
  components: {
    messages: {
      messageSend: {
        name: 'message:send',
        payload: { type: 'object', properties: { text: { type: 'string', maxLength: 16_384 } } },
        examples: [{ payload: { text: 'Hello' } }],
      },
      messageSendReply: {
        name: 'message:send reply',
        payload: { type: 'object', properties: { ok: { type: 'boolean' } } },
      },
      messageCreated: {
        name: 'message:created',
        payload: { type: 'object', properties: { seq: { type: 'integer' } } },
      },
    },
  },
};
