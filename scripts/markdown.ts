const cell = (text: string): string => text.replaceAll('|', String.raw`\|`).replaceAll('\n', ' ');

export const table = (header: readonly string[], rows: readonly (readonly string[])[]): string => {
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(' | ')} |`;
  return [line(header), `|${header.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n');
};

/** With a space between thousands. */
export const number = (value: number): string => value.toLocaleString('en-US').replaceAll(',', ' ');

/**
 * A page with `text` between <!-- name --> and <!-- /name -->.
 *
 * @throws Error when the page has no such place
 */
export const withBlock = (current: string, name: string, text: string, page: string): string => {
  const [open, close] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const start = current.indexOf(open);
  const end = current.indexOf(close);
  if (start === -1 || end < start)
    throw new Error(`Found no ${open} followed by ${close} in ${page}; put both where the table belongs.`);
  return `${current.slice(0, start + open.length)}\n${text}\n${current.slice(end)}`;
};
