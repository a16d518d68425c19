/** The settings of attachments, read. */
import { resolve } from 'node:path';
import type { ClamdAddress } from '../media/scan-clamd.ts';
import type { S3Place } from '../store/blobs/s3.ts';

const FLAGS: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['false', false],
]);

const decoded = (path: string): string | undefined => {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
};

const s3Place = (value: string): S3Place => {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  const path = url && decoded(url.pathname);
  if (url === undefined || path === undefined || !/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(url.host))
    throw new Error('expected s3://bucket, or s3://bucket/prefix?region=eu-central-1');
  if (url.username !== '' || url.password !== '')
    throw new Error('found a key in the address; expected it in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY');
  const unknown = [...url.searchParams.keys()].find((name) => !['region', 'endpoint', 'forcePathStyle'].includes(name));
  if (unknown !== undefined) throw new Error(`found ${unknown}; expected region, endpoint or forcePathStyle`);
  const endpoint = url.searchParams.get('endpoint') ?? undefined;
  if (endpoint !== undefined && !/^https?:\/\//.test(endpoint))
    throw new Error(`found endpoint=${endpoint}; expected an http:// or https:// address`);
  const forcePathStyle = FLAGS.get(url.searchParams.get('forcePathStyle') ?? 'false');
  if (forcePathStyle === undefined) throw new Error('found another forcePathStyle; expected true or false');
  const prefix = path.replace(/^\/+|\/+$/g, '');
  return {
    bucket: url.hostname,
    prefix: prefix === '' ? '' : `${prefix}/`,
    region: url.searchParams.get('region') ?? undefined,
    endpoint,
    forcePathStyle,
  };
};

export type AttachmentsPlace =
  { readonly kind: 'disk'; readonly folder: string } | { readonly kind: 's3'; readonly place: S3Place };

/** Where attachments are kept. @throws Error that says what was expected */
export const attachmentsPlace = (value: string): AttachmentsPlace => {
  if (value.startsWith('s3:')) return { kind: 's3', place: s3Place(value) };
  const folder = /^file:(?:\/\/(?=\/))?([^/].*|\/(?!\/).*)$/.exec(value)?.[1];
  if (folder === undefined) throw new Error('expected file:<folder>, such as file:./data/attachments, or s3://bucket');
  return { kind: 'disk', folder: resolve(folder) };
};

const acceptedType = (value: string): string => {
  const type = value.trim().toLowerCase();
  if (/^(?:\*\/\*|[\w!#$&^.+-]+\/(?:\*|[\w!#$&^.+-]+))$/.test(type)) return type;
  throw new Error(`found ${JSON.stringify(type)}; expected a media type, such as image/png, or image/*`);
};

export const acceptedTypes = (value: string): string[] => [...new Set(value.split(',').map(acceptedType))];

export const clamdAddress = (value: string): ClamdAddress => {
  if (value.startsWith('/')) return { path: value };
  const [, host, port] = /^(?:tcp:\/\/)?([^/:\s]+|\[[0-9a-f:]+\]):(\d{1,5})$/i.exec(value) ?? [];
  if (host !== undefined && Number(port) > 0 && Number(port) < 65_536)
    return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) };
  throw new Error('expected host:port, or the path of a socket');
};

/** What a support desk is sent: pictures, documents, recordings. Nothing that runs when it is opened. */
export const DEFAULT_ATTACHMENT_TYPES = [
  'image/jpeg',
  'image/png',
  'image/gif',
  'image/webp',
  'image/avif',
  'application/pdf',
  'text/plain',
  'text/csv',
  'text/markdown',
  'application/json',
  'application/zip',
  'application/msword',
  'application/vnd.ms-excel',
  'application/vnd.ms-powerpoint',
  'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
  'application/vnd.openxmlformats-officedocument.presentationml.presentation',
  'application/vnd.oasis.opendocument.text',
  'application/vnd.oasis.opendocument.spreadsheet',
  'application/vnd.oasis.opendocument.presentation',
  'audio/mpeg',
  'audio/mp4',
  'audio/ogg',
  'audio/wav',
  'audio/webm',
  'video/mp4',
  'video/webm',
  'video/quicktime',
];
