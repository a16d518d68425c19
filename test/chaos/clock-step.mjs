// Loaded before a node's program: its wall clock can be stepped by a message from its parent. Timers run on, as they do when a real clock is set.
import process from 'node:process';

const RealDate = Date;
let offsetMs = 0;

globalThis.Date = class extends RealDate {
  constructor(...args) {
    if (args.length === 0) super(RealDate.now() + offsetMs);
    else super(...args);
  }
  static now() {
    return RealDate.now() + offsetMs;
  }
};

process.on('message', (message) => {
  if (typeof message?.offsetMs === 'number') offsetMs = message.offsetMs;
});
// The channel alone does not keep the node alive.
process.channel?.unref();
