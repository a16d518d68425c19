import type { z } from 'zod';
import type { RequestSpec } from './define.ts';
import { type ErrorObject } from './errors.ts';
import { EVENTS } from './events.ts';
import type { Limits } from './limits.ts';
import { agentRequests } from './requests/agent.ts';
import { assignmentRequests } from './requests/assignment.ts';
import { attachmentRequests } from './requests/attachment.ts';
import { conversationRequests } from './requests/conversation.ts';
import { messageRequests } from './requests/message.ts';
import { sessionRequests } from './requests/session.ts';
import { typingRequests } from './requests/typing.ts';

/**
 * The wire, declared once. Everything else comes from it: the types below, validation, the
 * permission check, asyncapi.yaml. A new request or event is a new row here and nowhere else.
 */
export const createContract = (limits: Limits) => ({
  requests: {
    ...sessionRequests(),
    ...conversationRequests(limits),
    ...messageRequests(limits),
    ...typingRequests(limits),
    ...agentRequests(),
    ...assignmentRequests(limits),
    ...attachmentRequests(limits),
  },
  events: EVENTS,
});

export type Contract = ReturnType<typeof createContract>;
export type RequestName = keyof Contract['requests'];
export type EventName = keyof Contract['events'];

/** What a handler gets: the payload, validated and rebuilt. */
export type Payload<N extends RequestName> = z.output<Contract['requests'][N]['payload']>;
/** What a client sends. */
export type PayloadInput<N extends RequestName> = z.input<Contract['requests'][N]['payload']>;
/** `data` of the reply. */
export type ReplyData<N extends RequestName> = z.output<Contract['requests'][N]['reply']>;
export type EventPayload<N extends EventName> = z.output<Contract['events'][N]['payload']>;

export type Reply<D = unknown> = { ok: true; data: D } | { ok: false; error: ErrorObject };

/** For `new Server<ClientToServerEvents, ServerToClientEvents>` and, turned around, for `io<…>()`. */
export type ClientToServerEvents = {
  [N in RequestName]: (payload: PayloadInput<N>, acknowledge?: (reply: Reply<ReplyData<N>>) => void) => void;
};
export type ServerToClientEvents = { [N in EventName]: (payload: EventPayload<N>) => void };

/** The requests, looked up by a name that a client sent. */
export const requestsByName = (contract: Contract): ReadonlyMap<string, RequestSpec> =>
  new Map(Object.entries(contract.requests as Record<string, RequestSpec>));
