import { Command } from 'commander';
import { loadConfig } from '../server/config.ts';
import { describeStartError } from '../server/start-error.ts';

/** Resolves with the first SIGTERM or SIGINT; a second one ends the process at once, with 1. */
const firstSignal = (): Promise<void> =>
  new Promise((resolve) => {
    let signalled = false;
    const onSignal = (): void => {
      if (signalled) process.exit(1);
      signalled = true;
      resolve();
    };
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', onSignal);
  });

/** `deskwire serve`: runs until SIGTERM or SIGINT, then drains and exits 0. A second signal exits at once, with 1. */
export const serveCommand = (): Command =>
  new Command('serve').description('Run the server; its configuration comes from the environment.').action(async () => {
    const config = loadConfig(process.env);
    // Listened for before the ready line is out: whoever waits for that line may send one in the same moment.
    const signalled = firstSignal();
    // Loaded here, so that the other commands don't wait for all of the server.
    const { serve } = await import('../server/serve.ts');
    const running = await serve(config);
    await signalled;
    try {
      await running.drain();
      process.exit(0);
    } catch (error) {
      process.stderr.write(`Draining failed. ${describeStartError(error).message}\n`);
      process.exit(1);
    }
  });
