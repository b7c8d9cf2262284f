#include "rig.h"

static ibv_context *open(int device) {
  int count = 0;
  ibv_device **list = ibv_get_device_list(&count);
  CHECK(device < count);
  ibv_context *context = ibv_open_device(list[device]);
  ibv_free_device_list(list);
  return context;
}

static ibv_cq *createQueue(ibv_context *context, ibv_pd *parent, const Options &options) {
  ibv_cq_init_attr_ex attributes{};
  attributes.cqe = 2 * options.depth;
  attributes.channel = options.channel;
  attributes.wc_flags = IBV_WC_STANDARD_FLAGS;
  if (parent) {
    attributes.comp_mask = IBV_CQ_INIT_ATTR_MASK_FLAGS | IBV_CQ_INIT_ATTR_MASK_PD;
    attributes.flags = IBV_CREATE_CQ_ATTR_SINGLE_THREADED;
    attributes.parent_domain = parent;
  }
  return ibv_cq_ex_to_cq(ibv_create_cq_ex(context, &attributes));
}

static ibv_srq *createShared(ibv_pd *pd, const Options &options) {
  ibv_srq_init_attr attributes{};
  attributes.attr = {static_cast<uint32_t>(options.depth), 4, 0};
  return ibv_create_srq(pd, &attributes);
}

End::End(int device, Options options) : options(options), memory(8192) {
  context = open(device);
  base = pd = ibv_alloc_pd(context);
  if (options.threadDomain) {
    ibv_td_init_attr none{};
    td = ibv_alloc_td(context, &none);
    ibv_parent_domain_init_attr over{};
    over.pd = base;
    over.td = td;
    pd = ibv_alloc_parent_domain(context, &over);
  }
  cq = createQueue(context, td ? pd : nullptr, options);
  if (options.sharedReceives) srq = createShared(pd, options);
  mr = ibv_reg_mr(pd, memory.data(), memory.size(), options.access);
  ibv_qp_init_attr attributes{};
  attributes.send_cq = attributes.recv_cq = cq;
  attributes.srq = srq;
  attributes.qp_type = IBV_QPT_RC;
  attributes.cap = {static_cast<uint32_t>(options.depth), static_cast<uint32_t>(options.depth), 4, 4, 128};
  qp = ibv_create_qp(pd, &attributes);
  CHECK(context && pd && cq && mr && qp);
}

End::~End() {
  EQUAL(ibv_destroy_qp(qp), 0);
  if (srq) EQUAL(ibv_destroy_srq(srq), 0);
  EQUAL(ibv_destroy_cq(cq), 0);
  EQUAL(ibv_dereg_mr(mr), 0);
  if (td) {
    EQUAL(ibv_dealloc_pd(pd), 0);
    EQUAL(ibv_dealloc_td(td), 0);
  }
  EQUAL(ibv_dealloc_pd(base), 0);
  EQUAL(ibv_close_device(context), 0);
}

int End::modify(ibv_qp_state state) {
  ibv_qp_attr attributes{};
  attributes.qp_state = state;
  return ibv_modify_qp(qp, &attributes, IBV_QP_STATE);
}

int End::toInit() {
  ibv_qp_attr attributes{};
  attributes.qp_state = IBV_QPS_INIT;
  attributes.port_num = 1;
  attributes.qp_access_flags = everyAccess;
  return ibv_modify_qp(qp, &attributes, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS);
}

int End::toReady(const End &peer) {
  ibv_qp_attr attributes{};
  attributes.qp_state = IBV_QPS_RTR;
  attributes.path_mtu = IBV_MTU_4096;
  attributes.dest_qp_num = peer.qp->qp_num;
  attributes.rq_psn = peer.qp->qp_num;
  attributes.max_dest_rd_atomic = 16;
  attributes.ah_attr.is_global = 1;
  attributes.ah_attr.port_num = 1;
  attributes.ah_attr.sl = options.serviceLevel;
  ibv_query_gid(peer.context, 1, 0, &attributes.ah_attr.grh.dgid);
  return ibv_modify_qp(qp, &attributes,
                       IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN |
                           IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER);
}

int End::toSend(int rnrRetries) {
  ibv_qp_attr attributes{};
  attributes.qp_state = IBV_QPS_RTS;
  attributes.sq_psn = qp->qp_num;
  attributes.timeout = 14;
  attributes.retry_cnt = 7;
  attributes.rnr_retry = rnrRetries;
  attributes.max_rd_atomic = 16;
  return ibv_modify_qp(qp, &attributes,
                       IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_SQ_PSN |
                           IBV_QP_MAX_QP_RD_ATOMIC);
}

ibv_qp_state End::state() const {
  ibv_qp_attr attributes;
  ibv_qp_init_attr initial;
  EQUAL(ibv_query_qp(qp, &attributes, IBV_QP_STATE, &initial), 0);
  return attributes.qp_state;
}

ibv_wc End::next() {
  ibv_wc completion;
  EQUAL(ibv_poll_cq(cq, 1, &completion), 1);
  return completion;
}

void End::none() {
  ibv_wc completion;
  EQUAL(ibv_poll_cq(cq, 1, &completion), 0);
}

ibv_sge End::sge(uint32_t offset, uint32_t bytes) const {
  return {reinterpret_cast<uint64_t>(memory.data() + offset), bytes, mr->lkey};
}

ibv_send_wr End::request(ibv_wr_opcode opcode, const End &to, ibv_sge *sge, int flags) const {
  ibv_send_wr request{};
  request.wr_id = 1;
  request.opcode = opcode;
  request.send_flags = flags;
  request.sg_list = sge;
  request.num_sge = 1;
  request.imm_data = 0x01020304;
  const uint64_t address = reinterpret_cast<uint64_t>(to.memory.data());
  if (opcode == IBV_WR_ATOMIC_CMP_AND_SWP || opcode == IBV_WR_ATOMIC_FETCH_AND_ADD) {
    request.wr.atomic.remote_addr = address;
    request.wr.atomic.rkey = to.mr->rkey;
  } else {
    request.wr.rdma.remote_addr = address;
    request.wr.rdma.rkey = to.mr->rkey;
  }
  return request;
}

int End::post(ibv_send_wr request) {
  ibv_send_wr *bad;
  return ibv_post_send(qp, &request, &bad);
}

int End::send(ibv_wr_opcode opcode, const End &to, uint32_t bytes, int flags, uint64_t id) {
  ibv_sge local = sge(0, bytes);
  ibv_send_wr one = request(opcode, to, &local, flags);
  one.wr_id = id;
  return post(one);
}

int End::receive(uint32_t bytes, uint64_t id) {
  ibv_sge local = sge(4096, bytes);
  ibv_recv_wr request{id, nullptr, &local, 1}, *bad;
  return srq ? ibv_post_srq_recv(srq, &request, &bad) : ibv_post_recv(qp, &request, &bad);
}
