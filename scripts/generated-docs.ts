import { withCapacity } from '../bench/capacity/document.ts';
import { ERROR_CODES, ERRORS } from '../src/contract/errors.ts';
import { LIMIT_NAMES, LIMITS } from '../src/contract/limits.ts';
import { SETTING_NAMES, SETTINGS } from '../src/server/settings.ts';
import { number, table, withBlock } from './markdown.ts';

/** A file, or a part of it, that comes from a table in the sources. */
export interface GeneratedDoc {
  /** From the top of the checkout. */
  readonly path: string;
  /** The whole file as it should be; `current` is what it is now, '' when there is none. */
  readonly render: (current: string) => string;
}

const MADE_FROM = (source: string) => `<!-- Made from ${source} by scripts/write-docs.ts; change it there. -->`;

const errorsPage = (): string => `# Errors

${MADE_FROM('src/contract/errors.ts')}

A refused request is answered \`{ ok: false, error: { code, message, retryable, retryAfterMs?, details? } }\`; over HTTP the
same error is a problem (RFC 9457) with the status below. *Retryable* means that the very same request can succeed later.
Which requests can raise which error is stated in \`asyncapi.yaml\`, as \`x-errors\` of each operation.

${table(
  ['Code', 'HTTP', 'Retryable', 'Meaning'],
  ERROR_CODES.map((code) => {
    const { status, retryable, description } = ERRORS[code];
    return [`\`${code}\``, String(status), retryable ? 'yes' : 'no', description];
  }),
)}
`;

const limitsPage = (): string => `# Limits

${MADE_FROM('src/contract/limits.ts')}

Every number that a client may meet. All of them are published in \`session:ready\`, and each can be set by its name in
\`DESKWIRE_LIMITS\`, such as \`DESKWIRE_LIMITS='{"textBytes":4096}'\`. \`…Bytes\` of text are counted in UTF-8, \`…Ms\` are
milliseconds.

${table(
  ['Limit', 'Default', 'Allowed', 'What it bounds'],
  LIMIT_NAMES.map((name) => {
    const { default: byDefault, min, max, description } = LIMITS[name];
    return [`\`${name}\``, number(byDefault), `${number(min)} to ${number(max)}`, description];
  }),
)}
`;

const settingsTable = (): string =>
  table(
    ['Variable', 'Default', 'Meaning'],
    SETTING_NAMES.map((name) => {
      const { default: byDefault, description }: { default?: string; description: string } = SETTINGS[name];
      return [`\`${name}\``, byDefault === undefined ? '' : `\`${byDefault}\``, description];
    }),
  );

const withSettings = (current: string): string => withBlock(current, 'settings', settingsTable(), 'README.md');

export const GENERATED_DOCS: readonly GeneratedDoc[] = [
  { path: 'docs/errors.md', render: errorsPage },
  { path: 'docs/limits.md', render: limitsPage },
  { path: 'README.md', render: withSettings },
  { path: 'docs/scaling.md', render: withCapacity },
];
