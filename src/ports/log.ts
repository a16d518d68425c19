/**
 * Structured logs. In the contract: fields, a constant message, levels. Not in the contract: where they go.
 * Never log tokens, message texts, names or metadata: ids and codes say enough.
 */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
