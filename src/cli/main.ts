#!/usr/bin/env node
import { Command } from 'commander';
import { SETTING_NAMES, SETTINGS } from '../server/settings.ts';
import { programVersion } from '../server/version.ts';
import { describeStartError } from '../server/start-error.ts';
import { checkConfigCommand } from './check-config.ts';
import { migrateCommand } from './migrate.ts';
import { serveCommand } from './serve.ts';
import { specCommand } from './spec.ts';
import { tokenCommand } from './token.ts';

const WIDTH = 100;

const wrap = (text: string, indent: string): string => {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && indent.length + line.length + 1 + word.length > WIDTH) {
      lines.push(indent + line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, indent + line].join('\n');
};

const settingsHelp = (): string => {
  const rows = SETTING_NAMES.map((name) => {
    const row: { default?: string; description: string } = SETTINGS[name];
    const byDefault = row.default === undefined ? '' : ` (default ${row.default})`;
    return `  ${name}${byDefault}\n${wrap(row.description.replaceAll('`', ''), '      ')}`;
  });
  return `\nEnvironment:\n${rows.join('\n')}\n`;
};

// A reader that has read enough (`| head`) closes the pipe; that is no failure of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

const program = new Command('deskwire')
  .description('Self-hosted realtime API for customer support.')
  .version(programVersion())
  .showHelpAfterError('(deskwire --help shows what there is)')
  .addHelpText('after', settingsHelp());

for (const command of [serveCommand, tokenCommand, specCommand, migrateCommand, checkConfigCommand]) {
  program.addCommand(command());
}

try {
  await program.parseAsync();
} catch (error) {
  const { message, exitCode } = describeStartError(error);
  // What a failed start has opened already (a store's worker, for one) must not keep the process alive.
  process.stderr.write(`${message}\n`, () => process.exit(exitCode));
}
