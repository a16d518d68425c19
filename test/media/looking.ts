import type { ChildProcess } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { createImages } from '../../src/media/images.ts';
import type { ImageBounds, Images, LookedAt } from '../../src/ports/images.ts';
import { testFolder } from '../support/files.ts';
import { silentLog } from '../support/store.ts';
import { HandClock } from '../support/hand-clock.ts';

export const BOUNDS: ImageBounds = { pixels: 64_000_000, frames: 2_000, thumbnailPixels: 320 };

/** Images, the processes that they started, and a clock that stands still. */
export const looking = () => {
  const clock = new HandClock();
  const images = createImages({ clock, log: silentLog });
  onTestFinished(() => images.close());
  const children: ChildProcess[] = [];
  const onStart = (message: unknown): void => {
    children.push((message as { process: ChildProcess }).process);
  };
  subscribe('child_process', onStart);
  onTestFinished(() => void unsubscribe('child_process', onStart));
  return { clock, images, children };
};

export const isRunning = (child: ChildProcess): boolean => child.exitCode === null && child.signalCode === null;

export const look = (
  images: Images,
  content: Uint8Array,
  mediaType: string,
  bounds: Partial<ImageBounds> = {},
): Promise<LookedAt> => {
  const folder = testFolder();
  const path = join(folder, 'file');
  writeFileSync(path, content);
  mkdirSync(join(folder, 'made'));
  return images.look(path, mediaType, join(folder, 'made'), { ...BOUNDS, ...bounds });
};

export const seen = (found: LookedAt) => {
  if (found.kind !== 'image') throw new Error(`expected an image, found ${JSON.stringify(found)}`);
  return found;
};

/** The image as it is kept. */
export const kept = (content: Buffer, found: LookedAt): Buffer => {
  const { cleanedPath } = seen(found);
  return cleanedPath === undefined ? content : readFileSync(cleanedPath);
};
