import type { Place, PlacedNode } from './place.ts';
import type { Fault } from './plan.ts';

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Lets one thing go wrong, and makes it well again after its time. */
export const strike = async (place: Place, fault: Fault): Promise<void> => {
  const { kind, way, durationMs, amountMs } = fault;
  switch (kind) {
    case 'node-kill': {
      const { process } = nodeOf(place, fault);
      await process.kill();
      await pause(durationMs);
      await process.start();
      return;
    }
    case 'node-stop': {
      const { process } = nodeOf(place, fault);
      process.signal('SIGSTOP');
      await pause(durationMs);
      process.signal('SIGCONT');
      return;
    }
    case 'redis-kill': {
      const victim = await place.redis.victim();
      await victim.kill();
      await pause(durationMs);
      await victim.restart();
      return;
    }
    case 'redis-stop': {
      const victim = await place.redis.victim();
      victim.pause();
      await pause(durationMs);
      victim.resume();
      return;
    }
    case 'postgres-restart': {
      const { postgres } = place;
      if (way === 'freeze') postgres.pause();
      else await (way === 'kill' ? postgres.kill() : postgres.stop());
      await pause(durationMs);
      if (way === 'freeze') postgres.resume();
      else await postgres.start();
      return;
    }
    case 'cut': {
      const link = linkOf(place, fault);
      link.refusing = way === 'refuse';
      link.cut();
      await pause(durationMs);
      link.heal();
      return;
    }
    case 'delay': {
      const link = linkOf(place, fault);
      if (way === 'slow') link.delayMs = amountMs;
      else if (way === 'toServer' || way === 'toClient') link.stalled = way;
      await pause(durationMs);
      link.heal();
      return;
    }
    case 'clock': {
      const { process } = nodeOf(place, fault);
      process.setClock(amountMs);
      await pause(durationMs);
      process.setClock(0);
      return;
    }
  }
};

const nodeOf = ({ nodes }: Place, { node }: Fault): PlacedNode => {
  const found = nodes[node];
  if (found === undefined) throw new Error(`there is no node ${String(node)}`);
  return found;
};

const linkOf = (place: Place, fault: Fault) => {
  const found = nodeOf(place, fault).links[fault.link];
  if (found === undefined) throw new Error(`there is no line to ${fault.link}`);
  return found;
};
