import { contenders, engineContenders } from './contenders.ts';
import { transportSuite } from './suite.ts';

for (const contender of [...contenders, ...engineContenders]) transportSuite(contender);
