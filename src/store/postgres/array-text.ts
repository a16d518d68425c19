/**
 * Arrays as Postgres reads them from text (PostgreSQL documentation, 8.15.6). The driver's own way runs four regular
 * expressions over every element; these know what they are given.
 */

const UNSAFE = /["\\]/;

export const textElement = (text: string | null): string => {
  if (text === null) return 'NULL';
  return UNSAFE.test(text) ? `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"` : `"${text}"`;
};

/**
 * Of a text that is JSON. It has no control characters and no half surrogate pairs, so JSON's quoting of it is the
 * array's too, and is done by the engine.
 */
export const jsonElement = (text: string): string => JSON.stringify(text);

export const textArray = (texts: readonly (string | null)[]): string => `{${texts.map(textElement).join(',')}}`;

export const jsonArray = (texts: readonly string[]): string => `{${texts.map(jsonElement).join(',')}}`;

export const numberArray = (numbers: readonly number[]): string => `{${numbers.join(',')}}`;
