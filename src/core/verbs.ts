import type { Verbs } from './desk.ts';
import { acceptOffer, declineOffer } from './verbs/answer-offer.ts';
import { assignConversation } from './verbs/assign-conversation.ts';
import { claimConversation } from './verbs/claim-conversation.ts';
import { closeConversation } from './verbs/close-conversation.ts';
import { deleteMessage } from './verbs/delete-message.ts';
import { editMessage } from './verbs/edit-message.ts';
import { getConversation } from './verbs/get-conversation.ts';
import { linkAttachment } from './verbs/link-attachment.ts';
import { joinConversation } from './verbs/join-conversation.ts';
import { leaveConversation } from './verbs/leave-conversation.ts';
import { listAgents } from './verbs/list-agents.ts';
import { listConversations } from './verbs/list-conversations.ts';
import { markDelivered, markRead } from './verbs/move-cursor.ts';
import { openConversation } from './verbs/open-conversation.ts';
import { rateConversation } from './verbs/rate-conversation.ts';
import { readHistory } from './verbs/read-history.ts';
import { refreshSession } from './verbs/refresh-session.ts';
import { releaseConversation } from './verbs/release-conversation.ts';
import { reopenConversation } from './verbs/reopen-conversation.ts';
import { revokeSessions } from './verbs/revoke-sessions.ts';
import { sendMessage } from './verbs/send-message.ts';
import { setAgentStatus } from './verbs/set-agent-status.ts';
import { transferConversation } from './verbs/transfer-conversation.ts';
import { startTyping, stopTyping } from './verbs/typing.ts';
import { updateConversation } from './verbs/update-conversation.ts';
import { abortAttachment, beginAttachment, finishAttachment, takeChunk } from './verbs/upload-attachment.ts';

/** Which handler answers which request: the compiler holds it against the contract, name by name. */
export const verbs: Verbs = {
  'session:refresh': refreshSession,
  'session:revoke': revokeSessions,
  'conversation:open': openConversation,
  'conversation:join': joinConversation,
  'conversation:leave': leaveConversation,
  'conversation:get': getConversation,
  'conversation:list': listConversations,
  'conversation:history': readHistory,
  'conversation:update': updateConversation,
  'conversation:close': closeConversation,
  'conversation:reopen': reopenConversation,
  'conversation:rate': rateConversation,
  'message:send': sendMessage,
  'message:edit': editMessage,
  'message:delete': deleteMessage,
  'message:delivered': markDelivered,
  'message:read': markRead,
  'typing:start': startTyping,
  'typing:stop': stopTyping,
  'agent:status': setAgentStatus,
  'agent:list': listAgents,
  'assignment:claim': claimConversation,
  'assignment:assign': assignConversation,
  'assignment:transfer': transferConversation,
  'assignment:release': releaseConversation,
  'assignment:accept': acceptOffer,
  'assignment:decline': declineOffer,
  'attachment:begin': beginAttachment,
  'attachment:chunk': takeChunk,
  'attachment:finish': finishAttachment,
  'attachment:abort': abortAttachment,
  'attachment:link': linkAttachment,
};
