import { temporaryStore } from '../support/store.ts';
import { storeContractSuite } from './contract-suite.ts';

storeContractSuite('SQLite', () => temporaryStore());
