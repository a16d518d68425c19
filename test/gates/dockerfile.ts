export interface Instruction {
  /** In capitals: COPY, RUN… */
  readonly name: string;
  readonly text: string;
}

/** From one FROM to the next. */
export interface Stage {
  /** What comes after AS; of the last one, usually nothing. */
  readonly name: string | undefined;
  readonly image: string;
  readonly instructions: readonly Instruction[];
}

/** The stages of a Dockerfile, as far as this project uses the language: one instruction a line, no heredocs. */
export const readDockerfile = (text: string): Stage[] => {
  const stages: (Stage & { instructions: Instruction[] })[] = [];
  const lines = text.replaceAll('\\\n', ' ').split('\n');
  for (const line of lines.map((raw) => raw.trim()).filter((raw) => raw !== '' && !raw.startsWith('#'))) {
    const [, name = '', rest = ''] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
    if (name === '') throw new Error(`not an instruction: ${line}`);
    const from = /^(\S+)(?:\s+AS\s+(\S+))?$/.exec(rest);
    if (name === 'FROM') stages.push({ image: from?.[1] ?? '', name: from?.[2], instructions: [] });
    else stages.at(-1)?.instructions.push({ name, text: rest });
  }
  return stages;
};

/** Texts of all instructions of a name. */
export const all = ({ instructions }: Stage, name: string): string[] =>
  instructions.filter((instruction) => instruction.name === name).map(({ text }) => text);

/** The one array that an instruction holds, such as CMD ["node", "main.js"]. */
export const command = (stage: Stage, name: string): string[] => {
  const [text, ...others] = all(stage, name);
  if (text === undefined || others.length > 0) throw new Error(`expected one ${name}`);
  return JSON.parse(text.slice(text.indexOf('['))) as string[];
};

/** NAME=value of ENV. */
export const environment = (stage: Stage): Record<string, string> =>
  Object.fromEntries(
    all(stage, 'ENV').map((text) => [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)]),
  );

/** What COPY takes from the build context, and where to. */
export const copies = (stage: Stage): { from: string[]; to: string }[] =>
  all(stage, 'COPY')
    .filter((text) => !text.startsWith('--from'))
    .map((text) => text.split(/\s+/))
    .map((parts) => ({ from: parts.slice(0, -1), to: parts.at(-1) ?? '' }));
