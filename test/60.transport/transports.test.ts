import { contenders } from './contenders.ts';
import { transportSuite } from './suite.ts';

for (const contender of contenders) transportSuite(contender);
