import * as layout from '../kernel/answer-layout.ts';
import { Answer } from '../memory-node/answer.ts';
import { type Costs, ms } from './costs.ts';
import type { World } from './world.ts';

/** What is left to charge for an answer, and for each byte that its kernel weighs. */
interface Charge {
  left: number;
  readonly perByte: number;
}

/** While it exists, each slice of an answer takes its thread the time that the kernel needs for it. */
export class AnswerCosts implements Disposable {
  readonly #step = Answer.prototype.step;

  constructor(world: World, costs: Costs['node']) {
    const step = this.#step;
    const charges = new WeakMap<Answer, Charge>();
    Answer.prototype.step = function (sliceBytes) {
      const charge = charges.get(this) ?? chargeOf(this, costs);
      charges.set(this, charge);
      const outcome = step.call(this, sliceBytes);
      const slice = outcome === false ? Math.min(charge.left, sliceBytes * charge.perByte) : charge.left;
      charge.left -= slice;
      world.work(slice);
      return outcome;
    };
  }

  [Symbol.dispose](): void {
    Answer.prototype.step = this.#step;
  }
}

function chargeOf(answer: Answer, costs: Costs['node']): Charge {
  const weight = answer.at(layout.ANSWER_WEIGHT);
  const segments = answer.at(layout.ANSWER_SEGMENTS);
  const rowBytes = Math.max(0, weight - segments * layout.SEGMENT_WEIGHT);
  const left = ms(
    segments * costs.segment +
      answer.at(layout.ANSWER_KEYS) * costs.key +
      rowBytes * costs.rowByte +
      answer.at(layout.ANSWER_REPLY_BYTES) * costs.replyByte,
  );
  return { left, perByte: left / Math.max(1, weight) };
}
