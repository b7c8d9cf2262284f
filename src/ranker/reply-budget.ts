import { smallRepliesShare } from '../credit-limits.ts';
import { smallReplyBytesMax } from '../limits.ts';

/** Bytes of replies that one node may send now. */
export interface NodeReplies {
  taken: number;
}

/** Replies that wait, in the order of asking. */
class Queue {
  readonly credits = new Set<ReplyCredit>();
  /** The first one has no room, so nobody overtakes it. Otherwise, all of them wait because their nodes have their share. */
  short = false;
  /** The nodes that have their share, and replies that wait. */
  readonly full = new Set<NodeReplies>();

  /** Nobody waits, and nobody has just left. */
  get isIdle(): boolean {
    return this.credits.size === 0 && !this.short && this.full.size === 0;
  }

  add(credit: ReplyCredit, hasRoom: boolean): void {
    this.credits.add(credit);
    if (hasRoom) this.full.add(credit.node);
    else this.short = true;
  }
}

/** Replies of a ranker that are under way, and those that had to wait. */
export interface ReplyStats {
  /** Bytes of replies that nodes may send now, or that are arriving. */
  readonly replyBytesUnderWay: number;
  /** Replies that had to wait, because too many bytes were under way. */
  readonly repliesHeld: number;
}

/**
 * The memory for replies that are under way to a ranker, from all of its nodes. Whoever may send a reply has a credit for its
 * longest possible length. Credits are given in the order of asking, so that the lookup that began first is complete first.
 * Each node may have as many bytes as are left for the others (the dynamic threshold of shared buffers), so that slow nodes
 * cannot hold everything. Small replies have a queue of their own, and large ones leave a share to them.
 */
export class ReplyBudget {
  readonly bytes: number;
  readonly #smallShare: number;
  readonly #small = new Queue();
  readonly #large = new Queue();
  #taken = 0;
  #held = 0;

  constructor(bytes: number) {
    this.bytes = bytes;
    this.#smallShare = Math.floor(bytes * smallRepliesShare);
  }

  /** Bytes of the longest reply that there is ever room for. */
  get longest(): number {
    return this.bytes - this.#smallShare;
  }

  get stats(): ReplyStats {
    return { replyBytesUnderWay: this.#taken, repliesHeld: this.#held };
  }

  /** Takes the bytes of a credit, if there is room and nobody waits for it. */
  take(credit: ReplyCredit): boolean {
    const { short, full } = this.#queueOf(credit);
    if (short || (full.size > 0 && full.has(credit.node))) return false;
    if (!this.#hasRoom(credit) || !this.#isWithinShare(credit)) return false;
    this.#add(credit);
    return true;
  }

  wait(credit: ReplyCredit): void {
    this.#held++;
    this.#queueOf(credit).add(credit, this.#hasRoom(credit));
  }

  leave(credit: ReplyCredit): void {
    // It may have been the first one, which others waited for. If many leave at once, none of them is granted meanwhile.
    if (this.#queueOf(credit).credits.delete(credit)) queueMicrotask(() => this.#giveAll());
  }

  give({ node, bytes }: ReplyCredit): void {
    this.#taken -= bytes;
    node.taken -= bytes;
    this.#giveAll();
  }

  #giveAll(): void {
    if (!this.#small.isIdle) this.#giveFrom(this.#small);
    if (!this.#large.isIdle) this.#giveFrom(this.#large);
  }

  #giveFrom(queue: Queue): void {
    const { credits, full } = queue;
    queue.short = false;
    full.clear();
    for (const credit of credits) {
      // Those of one node keep their order too.
      if (full.has(credit.node)) continue;
      queue.short = !this.#hasRoom(credit);
      if (queue.short) return;
      if (this.#isWithinShare(credit)) {
        credits.delete(credit);
        this.#add(credit);
        credit.grant();
      } else full.add(credit.node);
    }
  }

  #add({ node, bytes }: ReplyCredit): void {
    this.#taken += bytes;
    node.taken += bytes;
  }

  #queueOf({ bytes }: ReplyCredit): Queue {
    return bytes <= smallReplyBytesMax ? this.#small : this.#large;
  }

  #hasRoom({ bytes }: ReplyCredit): boolean {
    const reserved = bytes <= smallReplyBytesMax ? 0 : this.#smallShare;
    return this.#taken + bytes + reserved <= this.bytes;
  }

  /** A node that has nothing may take whatever there is room for. */
  #isWithinShare({ node, bytes }: ReplyCredit): boolean {
    return node.taken === 0 || node.taken + bytes <= this.bytes - this.#taken;
  }
}

/** The credit for one reply. It is given back once, however its subrequest ends. */
export class ReplyCredit {
  readonly node: NodeReplies;
  readonly bytes: number;
  readonly #budget: ReplyBudget;
  #taken = false;
  #onGrant: (() => void) | undefined;
  #since = performance.now();

  /** @param bytes of the longest valid reply. Frames are laid out so that it fits the budget */
  constructor(budget: ReplyBudget, node: NodeReplies, bytes: number) {
    this.#budget = budget;
    this.node = node;
    this.bytes = Math.min(bytes, budget.longest);
  }

  /** Whether it had to wait for room. */
  get waited(): boolean {
    return this.#onGrant !== undefined;
  }

  /** When its subrequest was sent, or when it got room, if it had to wait: by `performance.now()`. */
  get since(): number {
    return this.#since;
  }

  /** Takes it, if there is room now. */
  take(): boolean {
    this.#taken = this.#budget.take(this);
    return this.#taken;
  }

  /** Waits for room. @param onGrant called when it is taken */
  wait(onGrant: () => void): void {
    this.#onGrant = onGrant;
    this.#budget.wait(this);
  }

  /** Called by the budget, when there is room. */
  grant(): void {
    this.#taken = true;
    this.#since = performance.now();
    this.#onGrant?.();
  }

  /** Stops waiting. Does nothing if it is taken. */
  leave(): void {
    if (!this.#taken) this.#budget.leave(this);
  }

  /** Gives it back, or stops waiting. Later calls do nothing. */
  end(): void {
    if (!this.#taken) this.#budget.leave(this);
    else {
      this.#taken = false;
      this.#budget.give(this);
    }
  }
}
