import { personKey } from '../../src/ports/actor.ts';
import type {
  AttachmentContent,
  AttachmentRecord,
  BeginAttachment,
  BeginOutcome,
  Facts,
  Store,
} from '../../src/ports/store.ts';
import { timeOf, unique } from './builders.ts';

export const contentOf = (size: number, fields: Partial<AttachmentContent> = {}): AttachmentContent => ({
  size,
  mediaType: 'text/plain',
  sha256: 'ab'.repeat(32),
  ...fields,
});

/** An upload of the customer's, just begun. */
export const uploadOf = (facts: Facts, fields: Partial<AttachmentRecord> = {}): AttachmentRecord => ({
  id: unique('a'),
  tenant: facts.tenant,
  conversationId: facts.id,
  uploaderId: personKey(facts.customer),
  clientAttachmentId: unique('photo'),
  name: 'parcel.txt',
  announced: { size: 100, mediaType: null, sha256: null },
  state: 'receiving',
  content: null,
  refusal: null,
  createdAt: timeOf(10),
  expiresAt: timeOf(1_000),
  message: null,
  ...fields,
});

export const ofSize = (size: number): Pick<AttachmentRecord, 'announced'> => ({
  announced: { size, mediaType: null, sha256: null },
});

type Quota = BeginAttachment['quota'];
const NO_BOUND: Quota = { uploads: 1_000_000, userBytes: 1e15, since: timeOf(0), tenantBytes: 1e15 };

export const begin = (store: Store, record: AttachmentRecord, quota: Partial<Quota> = {}): Promise<BeginOutcome> =>
  store.beginAttachment({ record, quota: { ...NO_BOUND, ...quota } });

/** Begins one; it has to be new. */
export const begun = async (
  store: Store,
  facts: Facts,
  fields: Partial<AttachmentRecord> = {},
): Promise<AttachmentRecord> => {
  const record = uploadOf(facts, fields);
  const outcome = await begin(store, record);
  if (outcome.kind !== 'begun') throw new Error(`expected a new attachment, found ${outcome.kind}`);
  return record;
};

/** As it is once it was looked at. */
export const readyOf = (record: AttachmentRecord, content: AttachmentContent = contentOf(100)): AttachmentRecord => ({
  ...record,
  state: 'ready',
  content,
  expiresAt: timeOf(2_000),
});

export const refusedOf = (record: AttachmentRecord): AttachmentRecord => ({
  ...record,
  state: 'refused',
  refusal: { code: 'unsupported_media_type', message: 'no', details: { found: 'text/html' } },
});

export const goneOf = (record: AttachmentRecord): AttachmentRecord => ({
  ...record,
  state: 'gone',
  expiresAt: timeOf(11),
});

/** Begins one and finishes it. */
export const finished = async (
  store: Store,
  facts: Facts,
  fields: Partial<AttachmentRecord> = {},
): Promise<AttachmentRecord> => {
  const record = readyOf(await begun(store, facts, fields));
  if (!(await store.changeAttachment({ record, from: 'receiving' }))) throw new Error('expected it to be received');
  return record;
};
