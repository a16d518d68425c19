const sorted = (values: readonly number[]): number[] => [...values].sort((a, b) => a - b);

/** The value below which `share` (0 to 1) of the values lie; NaN of none. */
export const quantile = (values: readonly number[], share: number): number => {
  const ascending = sorted(values);
  return ascending[Math.min(ascending.length - 1, Math.floor(share * ascending.length))] ?? NaN;
};

export const median = (values: readonly number[]): number => {
  const ascending = sorted(values);
  const middle = Math.floor(ascending.length / 2);
  const upper = ascending[middle] ?? NaN;
  return ascending.length % 2 === 1 ? upper : ((ascending[middle - 1] ?? NaN) + upper) / 2;
};
