/**
 * Who a token may say that its bearer is.
 *
 * - `customer` the person who asks
 * - `agent` a human who answers
 * - `supervisor` an agent who may act on any conversation of the tenant
 * - `bot` a program that answers
 *
 * Staff are agents and supervisors: they alone see staff entries.
 */
export const ROLES = ['customer', 'agent', 'supervisor', 'bot'] as const;
export type Role = (typeof ROLES)[number];

export const STAFF = ['agent', 'supervisor'] as const satisfies readonly Role[];
export const STAFF_AND_BOT = ['agent', 'supervisor', 'bot'] as const satisfies readonly Role[];

/** Which view of a conversation a connection gets: all of it, or what a customer may see. */
export type Audience = 'staff' | 'public';

export const audienceOf = (role: Role): Audience => (role === 'agent' || role === 'supervisor' ? 'staff' : 'public');
