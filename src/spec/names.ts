/** AsyncAPI 3.0.0, Components Object: keys match `^[a-zA-Z0-9._-]+$`, so the colon of an event's name has to go. */
const COMPONENT_KEY = /^[a-zA-Z0-9._-]+$/;

/** `conversation:open` → `conversationOpen`: the key of an event's message and operation. */
export const componentKey = (eventName: string): string => {
  const key = eventName.replace(/[:_]([a-z])/g, (_match, letter: string) => letter.toUpperCase());
  if (!COMPONENT_KEY.test(key)) throw new Error(`Found no component key for ${eventName}; expected topic:verb.`);
  return key;
};

/** Key of the message that acknowledges a request. */
export const replyKey = (requestName: string): string => `${componentKey(requestName)}Reply`;

/** What an event is about: the part before the colon. */
export const topicOf = (eventName: string): string => eventName.split(':', 1)[0] ?? eventName;
