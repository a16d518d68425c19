/** An entry is written as JSON for the log, for its sender's reply and for its readers: it is made into text once. */
const TEXT = Symbol('json text');

interface Written {
  [TEXT]?: string;
}

/** The object as JSON, remembered with it. From then on it must not be changed; a copy has no memory of it. */
export const jsonText = (value: object): string => {
  const known = (value as Written)[TEXT];
  if (known !== undefined) return known;
  const text = JSON.stringify(value);
  // Not enumerable, so that neither JSON nor a copy takes it along.
  Object.defineProperty(value, TEXT, { value: text });
  return text;
};

/** The text, if the object was written before. */
export const knownJsonText = (value: unknown): string | undefined =>
  typeof value === 'object' && value !== null ? (value as Written)[TEXT] : undefined;
