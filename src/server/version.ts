import { readFileSync } from 'node:fs';

/** This program's, from its package. */
export const programVersion = (): string => {
  // Two folders up from here both in src and in dist.
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
};
