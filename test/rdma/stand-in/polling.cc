// Extended completion queues: one completion at a time, field by field.
#include "completion_queue.h"
#include <cerrno>

namespace stand_in {

static CompletionQueue *queueOf(ibv_cq_ex *cq) { return reinterpret_cast<CompletionQueue *>(cq); }

static int next(ibv_cq_ex *cq) {
  ibv_wc &current = queueOf(cq)->current;
  if (queueOf(cq)->poll(1, &current) == 0) return ENOENT;
  cq->wr_id = current.wr_id;
  cq->status = current.status;
  return 0;
}

static int start(ibv_cq_ex *cq, ibv_poll_cq_attr *) { return next(cq); }

template <typename Field, Field ibv_wc::*field, typename As = Field>
static As read(ibv_cq_ex *cq) {
  return queueOf(cq)->current.*field;
}

void setPolling(ibv_cq_ex &cq) {
  cq.start_poll = start;
  cq.next_poll = next;
  cq.end_poll = [](ibv_cq_ex *) {};
  cq.read_opcode = read<ibv_wc_opcode, &ibv_wc::opcode>;
  cq.read_vendor_err = read<uint32_t, &ibv_wc::vendor_err>;
  cq.read_byte_len = read<uint32_t, &ibv_wc::byte_len>;
  cq.read_imm_data = [](ibv_cq_ex *of) { return queueOf(of)->current.imm_data; };
  cq.read_qp_num = read<uint32_t, &ibv_wc::qp_num>;
  cq.read_src_qp = read<uint32_t, &ibv_wc::src_qp>;
  cq.read_wc_flags = read<unsigned, &ibv_wc::wc_flags>;
  cq.read_slid = read<uint16_t, &ibv_wc::slid, uint32_t>;
  cq.read_sl = read<uint8_t, &ibv_wc::sl>;
  cq.read_dlid_path_bits = read<uint8_t, &ibv_wc::dlid_path_bits>;
}

} // namespace stand_in
