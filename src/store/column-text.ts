/**
 * Ids in columns. Databases end a text at a NUL, or refuse it, and turn half a surrogate pair into U+FFFD: two
 * different ids would become one. Such an id is kept as JSON behind a mark instead. Bodies are JSON already.
 */
const MARK = '\u0001';
const UNSAFE = /[\u0000\u0001]|\p{Surrogate}/u;

export const columnText = (text: string): string => (UNSAFE.test(text) ? MARK + JSON.stringify(text) : text);

export const fromColumnText = (column: string): string =>
  column.startsWith(MARK) ? (JSON.parse(column.slice(1)) as string) : column;
