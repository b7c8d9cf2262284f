// What queue pairs and completion queues do when nothing goes wrong.
#include "cases.h"
#include "rig.h"
#include <cerrno>
#include <poll.h>

void everyOperationMovesItsBytes() {
  Pair pair;
  End &a = pair.a, &b = pair.b;
  std::memset(a.memory.data(), 'a', 64);
  EQUAL(a.send(IBV_WR_RDMA_WRITE, b), 0);
  EQUAL(a.next().opcode, IBV_WC_RDMA_WRITE);
  EQUAL(std::memcmp(b.memory.data(), a.memory.data(), 64), 0);
  std::memset(b.memory.data(), 'b', 64);
  EQUAL(a.send(IBV_WR_RDMA_READ, b), 0);
  EQUAL(a.next().byte_len, 64);
  EQUAL(a.memory[63], 'b');
  EQUAL(b.receive(), 0);
  EQUAL(a.send(IBV_WR_SEND_WITH_IMM, b), 0);
  EQUAL(a.next().opcode, IBV_WC_SEND);
  ibv_wc completion = b.next();
  EQUAL(completion.opcode, IBV_WC_RECV);
  EQUAL(completion.imm_data, 0x01020304);
  EQUAL(completion.byte_len, 64);
  EQUAL(b.memory[4096 + 63], 'b');
  EQUAL(b.receive(), 0);
  EQUAL(a.send(IBV_WR_RDMA_WRITE_WITH_IMM, b, 32, 0), 0);
  a.none();
  completion = b.next();
  EQUAL(completion.opcode, IBV_WC_RECV_RDMA_WITH_IMM);
  EQUAL(completion.byte_len, 32);
}

void atomicsGiveWhatWasThere() {
  Pair pair;
  End &a = pair.a, &b = pair.b;
  auto *word = reinterpret_cast<uint64_t *>(b.memory.data()), *before = reinterpret_cast<uint64_t *>(a.memory.data());
  *word = 40;
  ibv_sge local = a.sge(0, 8);
  ibv_send_wr request = a.request(IBV_WR_ATOMIC_FETCH_AND_ADD, b, &local);
  request.wr.atomic.compare_add = 2;
  EQUAL(a.post(request), 0);
  EQUAL(a.next().opcode, IBV_WC_FETCH_ADD);
  EQUAL(*before, 40);
  request = a.request(IBV_WR_ATOMIC_CMP_AND_SWP, b, &local);
  request.wr.atomic.compare_add = 42;
  request.wr.atomic.swap = 7;
  EQUAL(a.post(request), 0);
  EQUAL(a.next().opcode, IBV_WC_COMP_SWAP);
  EQUAL(*before, 42);
  EQUAL(*word, 7);
}

void piecesAreGatheredAndInlineBytesAreTakenAtOnce() {
  Pair pair;
  End &a = pair.a, &b = pair.b;
  std::memcpy(a.memory.data(), "abcdef", 6);
  ibv_sge pieces[] = {a.sge(4, 2), a.sge(2, 2), a.sge(0, 2)};
  ibv_send_wr request = a.request(IBV_WR_RDMA_WRITE, b, pieces, IBV_SEND_SIGNALED | IBV_SEND_FENCE);
  request.num_sge = 3;
  EQUAL(a.post(request), 0);
  EQUAL(a.next().status, IBV_WC_SUCCESS);
  EQUAL(std::memcmp(b.memory.data(), "efcdab", 6), 0);
  // It waits for a receive, so what it sends was kept; and an inline piece needs no key.
  char text[] = "inline";
  ibv_sge piece{reinterpret_cast<uint64_t>(text), 6, 0};
  EQUAL(a.post(a.request(IBV_WR_SEND, b, &piece, IBV_SEND_INLINE)), 0);
  std::memset(text, 0, 6);
  EQUAL(b.receive(), 0);
  EQUAL(b.next().byte_len, 6);
  EQUAL(std::memcmp(b.memory.data() + 4096, "inline", 6), 0);
}

void sendSlotsComeBackWhenPolled() {
  Options shallow;
  shallow.depth = 4;
  Pair pair(shallow);
  for (int sent = 0; sent < 4; sent++)
    EQUAL(pair.a.send(IBV_WR_RDMA_WRITE, pair.b, 8, sent == 3 ? IBV_SEND_SIGNALED : 0), 0);
  EQUAL(pair.a.send(IBV_WR_RDMA_WRITE, pair.b), ENOMEM);
  pair.a.next();
  EQUAL(pair.a.send(IBV_WR_RDMA_WRITE, pair.b), 0);
}

void channelsTellOfWhatComesAfterArming() {
  const auto readable = [](int fd) {
    pollfd one{fd, POLLIN, 0};
    return poll(&one, 1, 0);
  };
  int count;
  ibv_device **list = ibv_get_device_list(&count);
  ibv_context *context = ibv_open_device(list[1]);
  ibv_free_device_list(list);
  ibv_comp_channel *channel = ibv_create_comp_channel(context);
  {
    Options told;
    told.channel = channel;
    Pair pair({}, told);
    pair.b.receive(), pair.b.receive(), pair.b.receive();
    pair.a.send(IBV_WR_SEND, pair.b);
    EQUAL(ibv_req_notify_cq(pair.b.cq, 1), 0);
    EQUAL(readable(channel->fd), 0);
    pair.a.send(IBV_WR_SEND, pair.b);
    EQUAL(readable(channel->fd), 0);
    pair.a.send(IBV_WR_SEND, pair.b, 64, IBV_SEND_SOLICITED);
    EQUAL(readable(channel->fd), 1);
    ibv_cq *cq;
    void *userContext;
    EQUAL(ibv_get_cq_event(channel, &cq, &userContext), 0);
    CHECK(cq == pair.b.cq);
    ibv_ack_cq_events(cq, 1);
    EQUAL(readable(channel->fd), 0);
    EQUAL(ibv_destroy_comp_channel(channel), EBUSY);
  }
  EQUAL(ibv_destroy_comp_channel(channel), 0);
  EQUAL(ibv_close_device(context), 0);
}
