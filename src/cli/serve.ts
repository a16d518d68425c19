import { Command } from 'commander';
import { loadConfig } from '../server/config.ts';
import { describeStartError } from '../server/start-error.ts';

/** `deskwire serve`: runs until SIGTERM or SIGINT, then drains and exits 0. A second signal exits at once, with 1. */
export const serveCommand = (): Command =>
  new Command('serve').description('Run the server; its configuration comes from the environment.').action(async () => {
    const config = loadConfig(process.env);
    // Loaded here, so that the other commands don't wait for all of the server.
    const { serve } = await import('../server/serve.ts');
    const running = await serve(config);

    let draining = false;
    const stop = (): void => {
      if (draining) process.exit(1);
      draining = true;
      running.drain().then(
        () => process.exit(0),
        (error: unknown) => {
          process.stderr.write(`Draining failed. ${describeStartError(error).message}\n`);
          process.exit(1);
        },
      );
    };
    process.on('SIGTERM', stop);
    process.on('SIGINT', stop);
  });
