import { z } from 'zod';
import { audienceOf, ROLES } from '../contract/roles.ts';
import { DeskwireError } from '../contract/errors.ts';
import type { VerifiedToken } from '../ports/actor.ts';
import { id } from '../contract/text.ts';

/** The last second that a Date can hold; `exp` is a NumericDate, seconds since 1970 (RFC 7519 §2). */
const MAX_NUMERIC_DATE = 8_640_000_000_000;

/** Longer than any name of a person; it stands in every entry of its bearer. */
const MAX_NAME_LENGTH = 256;

export const DEFAULT_TENANT = 'default';

/** Claims that say who the bearer is. Others may stand beside them and are not looked at. */
const identityShape = {
  sub: id(),
  role: z.enum(ROLES),
  tenant: id().optional(),
  name: z.string().max(MAX_NAME_LENGTH).optional(),
  departments: z.array(id()).optional(),
  skills: z.array(id()).optional(),
  maxChats: z.int().min(0).optional(),
};

/** What a signer may ask for. */
export const IdentityClaims = z.strictObject(identityShape);
export type IdentityClaims = z.input<typeof IdentityClaims>;

const TokenClaims = z.looseObject({
  ...identityShape,
  exp: z.number().positive().max(MAX_NUMERIC_DATE),
  iat: z.number().max(MAX_NUMERIC_DATE).optional(),
});

/**
 * Turns verified claims into the actor they name.
 * @throws DeskwireError `token_invalid`, naming the claim.
 */
export const readClaims = (payload: unknown): VerifiedToken => {
  const parsed = TokenClaims.safeParse(payload);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const claim = issue?.path.map(String).join('.') ?? '';
    throw new DeskwireError(
      'token_invalid',
      claim === ''
        ? "The token's payload is not an object of claims; expected sub, exp and role."
        : `The token's claim "${claim}" is wrong: ${issue?.message ?? 'invalid'}. Have the issuer of the token correct it.`,
    );
  }
  const claims = parsed.data;
  // Identity providers send an empty name for people who gave none.
  const name = claims.name === undefined || claims.name.trim() === '' ? claims.sub : claims.name;
  return {
    actor: {
      tenant: claims.tenant ?? DEFAULT_TENANT,
      user: { id: claims.sub, name, role: claims.role },
      role: claims.role,
      audience: audienceOf(claims.role),
      departments: claims.departments ?? [],
      skills: claims.skills ?? [],
      maxChats: claims.maxChats,
      issuedAt: claims.iat === undefined ? undefined : Math.floor(claims.iat * 1000),
    },
    expiresAt: Math.floor(claims.exp * 1000),
  };
};
