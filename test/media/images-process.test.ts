import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { LookedAt } from '../../src/ports/images.ts';
import { photo, testFolder } from '../support/files.ts';
import { until } from '../support/until.ts';
import { BOUNDS, isRunning, look, looking, seen } from './looking.ts';

const IDLE_MS = 30_000;
const JOB_MS = 60_000;

describe('the process that looks at images', () => {
  /** Has it looking at an image that it never finishes. */
  const stuck = async () => {
    const scene = looking();
    await look(scene.images, await photo(), 'image/jpeg');
    const [child] = scene.children;
    child!.kill('SIGSTOP');
    const job = look(scene.images, await photo({ width: 50, height: 40 }), 'image/jpeg');
    await until('the job to begin', () => scene.clock.nextInMs === JOB_MS);
    return { ...scene, child: child!, job };
  };

  it('is started when it is needed, and gets no secrets', async () => {
    process.env['A_SECRET_OF_A_TEST'] = 'hunter2';
    onTestFinished(() => {
      delete process.env['A_SECRET_OF_A_TEST'];
    });
    const { images, children } = looking();
    expect(children).toHaveLength(0);
    await look(images, await photo(), 'image/jpeg');
    expect(children).toHaveLength(1);
    const environment = readFileSync(`/proc/${String(children[0]!.pid)}/environ`, 'utf8');
    expect(environment).not.toContain('hunter2');
  });

  it('looks at one image after the other, each of them once', async () => {
    const { images, children } = looking();
    const sizes = Array.from({ length: 12 }, (_, index) => 20 + index);
    const contents = await Promise.all(sizes.map((width) => photo({ width, height: 20 })));
    const found = await Promise.all(contents.map((content) => look(images, content, 'image/jpeg')));
    expect(found.map((one) => seen(one).width)).toEqual(sizes);
    expect(children).toHaveLength(1);
  });

  it('ends when there was nothing to look at for a while, and comes back', async () => {
    const { images, children, clock } = looking();
    await look(images, await photo(), 'image/jpeg');
    clock.moveBy(IDLE_MS - 1);
    await look(images, await photo(), 'image/jpeg');
    clock.moveBy(IDLE_MS - 1);
    expect(isRunning(children[0]!)).toBe(true);
    clock.moveBy(1);
    await until('it to end', () => !isRunning(children[0]!));
    await look(images, await photo(), 'image/jpeg');
    expect(children).toHaveLength(2);
  });

  it('is started again when it was killed in a job, and the job is done', async () => {
    const { images, children, child, job } = await stuck();
    const waiting = look(images, await photo(), 'image/jpeg');
    child.kill('SIGKILL');
    expect(seen(await job)).toMatchObject({ width: 50, height: 40 });
    expect((await waiting).kind).toBe('image');
    expect(children).toHaveLength(2);
  });

  it('is started again when it was killed between two jobs', async () => {
    const { images, children } = looking();
    await look(images, await photo(), 'image/jpeg');
    const content = await photo();
    const [first] = children;
    // As soon as its line is cut, before anybody knows that it has ended.
    const job = new Promise<LookedAt>((resolve, reject) => {
      first!.once('disconnect', () => void look(images, content, 'image/jpeg').then(resolve, reject));
    });
    first!.kill('SIGKILL');
    expect((await job).kind).toBe('image');
  });

  const endedTwice = async (second: NodeJS.Signals) => {
    const { images, children, child, job } = await stuck();
    child.kill('SIGSEGV');
    child.kill('SIGCONT');
    const next = await until('another one', () => children[1]);
    next.once('message', () => {
      next.kill('SIGSTOP');
      // By then it has the job.
      setImmediate(() => {
        next.kill(second);
        next.kill('SIGCONT');
      });
    });
    return { images, children, job };
  };

  it('that crashes twice over one image, can not read it', async () => {
    const { images, children, job } = await endedTwice('SIGSEGV');
    expect((await job).kind).toBe('unreadable');
    expect((await look(images, await photo(), 'image/jpeg')).kind).toBe('image');
    expect(children).toHaveLength(3);
  });

  it('that somebody ends says nothing of the image', async () => {
    const { images, job } = await endedTwice('SIGKILL');
    await expect(job).rejects.toMatchObject({ code: 'unavailable' });
    expect((await look(images, await photo(), 'image/jpeg')).kind).toBe('image');
  });

  it('that takes too long is ended, and the image can not be read', async () => {
    const { images, clock, child, job } = await stuck();
    clock.moveBy(JOB_MS - 1);
    expect(isRunning(child)).toBe(true);
    clock.moveBy(1);
    expect((await job).kind).toBe('unreadable');
    await until('it to end', () => !isRunning(child));
    expect((await look(images, await photo(), 'image/jpeg')).kind).toBe('image');
  });

  it('ends when it is closed: an image that it looks at is not called unreadable', async () => {
    const { images, children, child, job } = await stuck();
    const waiting = look(images, await photo(), 'image/jpeg');
    const outcomes = Promise.allSettled([job, waiting]);
    await images.close();
    expect((await outcomes).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    await until('it to end', () => !isRunning(child));
    await expect(look(images, await photo(), 'image/jpeg')).rejects.toThrow();
    expect(children).toHaveLength(1);
  });

  it('does not outlive a close while it starts', async () => {
    const { images, children } = looking();
    const job = look(images, await photo(), 'image/jpeg');
    const outcome = Promise.allSettled([job]);
    await until('it to start', () => children.length === 1);
    await images.close();
    expect((await outcome)[0].status).toBe('rejected');
    await until('it to end', () => !isRunning(children[0]!));
  });

  it('that can not write says nothing of the image', async () => {
    const { images } = looking();
    const folder = testFolder();
    const path = join(folder, 'file');
    writeFileSync(path, await photo());
    await expect(images.look(path, 'image/jpeg', join(folder, 'nothing'), BOUNDS)).rejects.toThrow();
    rmSync(path);
    mkdirSync(join(folder, 'made'));
    await expect(images.look(path, 'image/jpeg', join(folder, 'made'), BOUNDS)).rejects.toThrow();
    expect(existsSync(path)).toBe(false);
  });
});
