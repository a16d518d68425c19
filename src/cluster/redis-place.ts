/** Where a Redis server, or a sentinel, listens. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export interface Credentials {
  /** @default Redis's user `default` */
  readonly username: string | undefined;
  readonly password: string | undefined;
}

interface CommonPlace extends Credentials {
  /** undefined: plain TCP. `ca`: PEM, trusted instead of the authorities that Node knows. */
  readonly tls: { readonly ca: string | undefined } | undefined;
}

/** Where Redis is, as REDIS_URL says it. */
export type RedisPlace =
  | (CommonPlace & { readonly kind: 'single'; readonly endpoint: Endpoint; readonly db: number })
  | (CommonPlace & {
      readonly kind: 'sentinel';
      readonly sentinels: readonly Endpoint[];
      readonly masterName: string;
      /** What the sentinels themselves ask for; they have a password of their own, or none. */
      readonly sentinelCredentials: Credentials;
      readonly db: number;
    })
  | (CommonPlace & { readonly kind: 'cluster'; readonly nodes: readonly Endpoint[] });

export const endpointText = ({ host, port }: Endpoint): string =>
  host.includes(':') ? `[${host}]:${String(port)}` : `${host}:${String(port)}`;

/** The place in a line, without user and password. */
export const placeText = (place: RedisPlace): string => {
  switch (place.kind) {
    case 'single':
      return endpointText(place.endpoint);
    case 'sentinel':
      return `${place.masterName} by the sentinels ${place.sentinels.map(endpointText).join(', ')}`;
    case 'cluster':
      return `the cluster at ${place.nodes.map(endpointText).join(', ')}`;
  }
};

/**
 * What all channels begin with. Redis's channels know no databases, so the number stands in the name: two desks that share a server and
 * take a database each must not hear each other.
 */
export const channelPrefix = (place: RedisPlace): string =>
  place.kind === 'cluster' || place.db === 0 ? 'deskwire' : `deskwire:${String(place.db)}`;
