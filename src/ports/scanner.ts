/** `threat`: what the scanner calls it. */
export type Verdict = { readonly kind: 'clean' } | { readonly kind: 'infected'; readonly threat: string };

/**
 * A virus scanner. In the contract: a verdict is of the whole file. Rejects when there is no verdict: it can't be reached,
 * it failed, it took too long; the file is then held and asked about again.
 */
export interface Scanner {
  /** @param signal gives it up */
  scan(path: string, signal: AbortSignal): Promise<Verdict>;
}
