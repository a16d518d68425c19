/** Which schema a database has, and which one this program knows. */
export interface SchemaVersions {
  readonly found: number;
  readonly known: number;
}

/** Why a store can't be opened, in a sentence for the one who runs the server: it names the file and what to do. */
export class StoreStartError extends Error {
  /** Set when the database was written by a newer version. */
  readonly versions: SchemaVersions | undefined;

  constructor(message: string, options?: { versions?: SchemaVersions | undefined; cause?: unknown }) {
    super(message, { cause: options?.cause });
    this.name = 'StoreStartError';
    this.versions = options?.versions;
  }
}
