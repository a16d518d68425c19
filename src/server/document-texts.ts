import type { Limits } from '../contract/limits.ts';
import { asyncapiDocument, asyncapiYaml } from '../spec/document.ts';
import type { DocumentTexts } from '../transport/http/docs.ts';

/** The API document with this server's limits; written when somebody asks for it first, since a start should not wait for it. */
export const documentTexts = (limits: Limits): DocumentTexts => {
  let yaml: string | undefined;
  let json: string | undefined;
  return {
    get yaml() {
      return (yaml ??= asyncapiYaml(limits));
    },
    get json() {
      return (json ??= JSON.stringify(asyncapiDocument(limits)));
    },
  };
};
