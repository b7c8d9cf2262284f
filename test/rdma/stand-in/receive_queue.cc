#include "receive_queue.h"
#include "ring.h"
#include <cerrno>
#include <cstring>

namespace stand_in {

ReceiveQueue::ReceiveQueue(uint32_t depth, uint32_t sgesMax)
    : depth(depth), sgesMax(sgesMax), slots(slotsFor(depth)), stride(sizeof(Receive) + sgesMax * sizeof(ibv_sge)),
      bytes(new char[slots * stride]) {}

int ReceiveQueue::push(const ibv_recv_wr &request) {
  if (request.num_sge < 0 || static_cast<uint32_t>(request.num_sge) > sgesMax) return EINVAL;
  if (size() >= depth) return ENOMEM;
  Receive *receive = slot(last);
  receive->id = request.wr_id;
  receive->count = request.num_sge;
  if (request.num_sge > 0) std::memcpy(receive->sges, request.sg_list, request.num_sge * sizeof(ibv_sge));
  last++;
  return 0;
}

} // namespace stand_in
