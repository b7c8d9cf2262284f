// The layout of a completion, in words of 32 bits.

/**
 * Words of a completion: 0–1 id (u64) · 2 status (0 = ok, see completionStatus) · 3 opcode (completionOpcode) · 4 bytes
 * · 5 immediate (host order) · 6 queue pair number · 7 flags (1: has immediate). A failed completion has only id,
 * status and queue pair; the rest is 0.
 */
export const COMPLETION_WORDS = 8;

/** The operation that completed. */
export const completionOpcode: {
  readonly send: number;
  readonly write: number;
  readonly read: number;
  readonly compareSwap: number;
  readonly fetchAdd: number;
  readonly receive: number;
  readonly receiveWriteImmediate: number;
} = { send: 0, write: 1, read: 2, compareSwap: 3, fetchAdd: 4, receive: 128, receiveWriteImmediate: 129 };

const statuses = [
  'SUCCESS',
  'LOC_LEN_ERR',
  'LOC_QP_OP_ERR',
  'LOC_EEC_OP_ERR',
  'LOC_PROT_ERR',
  'WR_FLUSH_ERR',
  'MW_BIND_ERR',
  'BAD_RESP_ERR',
  'LOC_ACCESS_ERR',
  'REM_INV_REQ_ERR',
  'REM_ACCESS_ERR',
  'REM_OP_ERR',
  'RETRY_EXC_ERR',
  'RNR_RETRY_EXC_ERR',
  'LOC_RDD_VIOL_ERR',
  'REM_INV_RD_REQ_ERR',
  'REM_ABORT_ERR',
  'INV_EECN_ERR',
  'INV_EEC_STATE_ERR',
  'FATAL_ERR',
  'RESP_TIMEOUT_ERR',
  'GENERAL_ERR',
  'TM_ERR',
  'TM_RNDV_INCOMPLETE',
] as const;

/** 'SUCCESS', 'REM_ACCESS_ERR', …: the name of a status in the verbs API, without its prefix IBV_WC_. */
export function completionStatus(status: number): string {
  return statuses[status] ?? `STATUS_${String(status)}`;
}
