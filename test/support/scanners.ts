/** Stand-ins for virus scanners, which say what a test wants. */
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { ClamdAddress } from '../../src/media/scan-clamd.ts';
import { testFolder } from './files.ts';

/**
 * What clamd does with the next file:
 * - `clean`, `infected`: what clamd answers (clamd(8)); `pieces`: `infected`, a byte at a time
 * - `error`: an answer without a verdict; `nonsense`: none that clamd gives
 * - `early`: `infected` after the first piece, then it takes no more; `early-reset`: so, and it breaks the connection
 * - `closed`: no answer; `broken`: the connection breaks after the first piece; `silent`: neither answer nor end
 */
export type ClamdMode =
  'clean' | 'infected' | 'pieces' | 'error' | 'nonsense' | 'early' | 'early-reset' | 'closed' | 'broken' | 'silent';

export interface StandInClamd {
  readonly address: ClamdAddress;
  /** As ATTACHMENTS_CLAMD says it. */
  readonly setting: string;
  mode: ClamdMode;
  /** SHA-256 of each file that came whole. */
  readonly scanned: string[];
  /** Connections that were begun. */
  readonly connections: number;
  stop(): Promise<void>;
}

export const CLAMD_THREAT = 'Win.Test.EICAR_HDB-1';
const COMMAND = 'zINSTREAM\0';
const ANSWERS: Partial<Record<ClamdMode, string>> = {
  clean: 'stream: OK\0',
  infected: `stream: ${CLAMD_THREAT} FOUND\0`,
  error: 'INSTREAM size limit exceeded. ERROR\0',
  nonsense: 'OK then\0',
};

/** Reads one INSTREAM: pieces with their length before them. */
class Session {
  readonly #clamd: { mode: ClamdMode; scanned: string[] };
  readonly #socket: Socket;
  readonly #hash = createHash('sha256');
  #pending = Buffer.alloc(0);
  #started = false;
  #over = false;

  constructor(socket: Socket, clamd: { mode: ClamdMode; scanned: string[] }) {
    this.#socket = socket;
    this.#clamd = clamd;
    socket.on('error', () => undefined);
    socket.on('data', (bytes: Buffer) => this.#take(bytes));
  }

  #take(bytes: Buffer): void {
    if (this.#over) return;
    this.#pending = Buffer.concat([this.#pending, bytes]);
    if (!this.#started) {
      if (this.#pending.length < COMMAND.length) return;
      if (this.#pending.subarray(0, COMMAND.length).toString() !== COMMAND) {
        this.#answer('UNKNOWN COMMAND\0');
        return;
      }
      this.#pending = this.#pending.subarray(COMMAND.length);
      this.#started = true;
    }
    this.#takePieces();
  }

  #takePieces(): void {
    while (this.#pending.length >= 4) {
      const length = this.#pending.readUInt32BE();
      if (this.#pending.length < 4 + length) return;
      const piece = this.#pending.subarray(4, 4 + length);
      this.#pending = this.#pending.subarray(4 + length);
      if (length === 0) this.#whole();
      else this.#piece(piece);
      if (this.#over) return;
    }
  }

  #piece(piece: Buffer): void {
    this.#hash.update(piece);
    const { mode } = this.#clamd;
    if (mode === 'early') this.#answer(ANSWERS.infected ?? '');
    if (mode === 'early-reset') {
      this.#over = true;
      // What comes from now on is not read, so that closing breaks the connection (RFC 1122 §4.2.2.13).
      this.#socket.pause();
      this.#socket.write(ANSWERS.infected ?? '', () => this.#socket.resetAndDestroy());
    }
    if (mode === 'broken') {
      this.#over = true;
      this.#socket.resetAndDestroy();
    }
  }

  #whole(): void {
    const { mode, scanned } = this.#clamd;
    scanned.push(this.#hash.digest('hex'));
    if (mode === 'silent') return;
    if (mode === 'pieces') return void this.#answerInPieces(ANSWERS.infected ?? '');
    this.#answer(ANSWERS[mode] ?? '');
  }

  #answer(text: string): void {
    this.#over = true;
    this.#socket.end(text);
  }

  async #answerInPieces(text: string): Promise<void> {
    this.#over = true;
    this.#socket.setNoDelay(true);
    for (const letter of text) {
      this.#socket.write(letter);
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.#socket.end();
  }
}

/** A server that speaks clamd's INSTREAM, on a port or a Unix socket of its own; it goes with the test. */
export const startClamd = async (kind: 'tcp' | 'unix' = 'tcp', mode: ClamdMode = 'clean'): Promise<StandInClamd> => {
  const sockets = new Set<Socket>();
  const scanned: string[] = [];
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    new Session(socket, clamd);
  });
  const path = kind === 'unix' ? join(testFolder(), 'clamd.sock') : undefined;
  await new Promise<void>((resolve) => {
    if (path === undefined) server.listen(0, '127.0.0.1', resolve);
    else server.listen(path, resolve);
  });
  const { port } = path === undefined ? (server.address() as AddressInfo) : { port: 0 };
  const stop = (): Promise<void> =>
    new Promise((resolve) => {
      for (const socket of sockets) socket.destroy();
      server.close(() => resolve());
    });
  onTestFinished(stop);
  const clamd: StandInClamd = {
    address: path === undefined ? { host: '127.0.0.1', port } : { path },
    setting: path ?? `127.0.0.1:${String(port)}`,
    mode,
    scanned,
    get connections() {
      return connections;
    },
    stop,
  };
  return clamd;
};

/**
 * What the command does with the next file: `failing` ends with 2, `crashing` by a signal, `loud` prints more than anybody
 * reads and then finds it clean, `slow` finds it clean once it is told to go on.
 */
export type CommandMode = 'clean' | 'infected' | 'unnamed' | 'failing' | 'crashing' | 'loud' | 'slow';

export interface StandInCommand {
  readonly command: [string, ...string[]];
  /** As ATTACHMENTS_SCAN_COMMAND says it. */
  readonly setting: string;
  become(mode: CommandMode): void;
  /** Lets a slow one end. */
  goOn(): void;
  /** A line for each file: the arguments before it, and the SHA-256 of what it found there. */
  scanned(): string[];
}

export const COMMAND_THREAT = 'Eicar-Signature';

const SCRIPT = (folder: string): string => `#!/bin/sh
for file do :; done
echo "$1 $(sha256sum < "$file" | cut -d' ' -f1)" >> '${folder}/scanned'
case "$(cat '${folder}/mode')" in
  clean) echo "$file: OK" ;;
  infected) echo "$file: ${COMMAND_THREAT} FOUND"; exit 1 ;;
  unnamed) exit 1 ;;
  failing) echo "database not found" >&2; exit 2 ;;
  crashing) kill -SEGV $$ ;;
  loud) yes | head -c 1000000 ;;
  slow) while [ ! -e '${folder}/go' ]; do sleep 0.02; done ;;
esac
`;

/** A scan command as a small script, run with `--quiet` before the file; it goes with the test. */
export const scanCommand = (mode: CommandMode = 'clean'): StandInCommand => {
  const folder = testFolder();
  const path = join(folder, 'scan');
  writeFileSync(path, SCRIPT(folder));
  chmodSync(path, 0o755);
  const become = (next: CommandMode): void => writeFileSync(join(folder, 'mode'), next);
  become(mode);
  return {
    command: [path, '--quiet'],
    setting: `${path} --quiet`,
    become,
    goOn: () => writeFileSync(join(folder, 'go'), ''),
    scanned: () => {
      const list = join(folder, 'scanned');
      return existsSync(list) ? readFileSync(list, 'utf8').trim().split('\n') : [];
    },
  };
};
