import { Command } from 'commander';
import { effectiveSettings, loadConfig } from '../server/config.ts';

/** `deskwire check-config`: what the server would use, secrets masked; exit code 78 when something is wrong with it. */
export const checkConfigCommand = (): Command =>
  new Command('check-config')
    .description('Show the configuration that the environment gives, and everything that is wrong with it.')
    .action(() => {
      const lines = effectiveSettings(process.env).map(({ name, value, source }) =>
        value === undefined ? `${name} (${source})` : `${name}=${value} (${source})`,
      );
      process.stdout.write(`${lines.join('\n')}\n`);
      const { warnings } = loadConfig(process.env);
      for (const warning of warnings) process.stderr.write(`Warning: ${warning}\n`);
      process.stdout.write('The configuration is valid.\n');
    });
