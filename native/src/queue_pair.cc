#include "queue_pair.h"

#include <cstring>

#include "ledger.h"
#include "posting.h"

namespace {

ibv_qp* create(const QueuePairParts& parts, ibv_qp_cap& capacity) {
  ibv_qp_init_attr attributes = {};
  attributes.send_cq = parts.send_queue->raw;
  attributes.recv_cq = parts.receive_queue->raw;
  attributes.srq = parts.shared_receives ? parts.shared_receives->raw : nullptr;
  attributes.cap = capacity;
  attributes.qp_type = IBV_QPT_RC;
  ibv_qp* created = library().ibv_create_qp(parts.domain->raw, &attributes);
  capacity = attributes.cap;
  return check_pointer("ibv_create_qp", parts.domain->context->device, created);
}

QueuePairParts parts_of(Call& call, const Options& options) {
  const char* verb = "ibv_create_qp";
  const auto queue = [&](const char* name) {
    return handle_as<CompletionQueueHandle>(call.env, options.value(name), name).object(verb);
  };
  QueuePairParts parts;
  parts.domain = handle_as<AnyDomainHandle>(call.env, call.argument(0), "domain").domain(verb);
  parts.send_queue = queue("sendQueue");
  parts.receive_queue = queue("receiveQueue");
  const napi_value shared = options.value("sharedReceives");
  napi_valuetype type = napi_undefined;
  napi_typeof(call.env, shared, &type);
  if (type != napi_undefined) {
    parts.shared_receives = handle_as<SharedReceiveQueueHandle>(call.env, shared, "sharedReceives").object(verb);
  }
  return parts;
}

/** The address of the other side, which its GID identifies. */
ibv_ah_attr address(const Options& options) {
  ibv_ah_attr address = {};
  const Bytes gid = options.bytes("remoteGid");
  if (gid.length != sizeof address.grh.dgid) throw WrongValue{"remoteGid", "expected 16 bytes"};
  std::memcpy(&address.grh.dgid, gid.data, gid.length);
  address.is_global = 1;
  address.grh.sgid_index = options.number("gidIndex");
  address.grh.hop_limit = options.number("hopLimit");
  address.grh.traffic_class = options.number("trafficClass");
  address.grh.flow_label = options.number("flowLabel");
  address.dlid = options.number("remoteLid");
  address.sl = options.number("serviceLevel");
  address.port_num = options.number("port");
  return address;
}

}  // namespace

QueuePair::QueuePair(QueuePairParts parts, ibv_qp_cap& capacity)
    : raw(create(parts, capacity)), inline_bytes_max(capacity.max_inline_data), parts_(std::move(parts)) {
  ledger::created(Kind::queue_pair);
}

QueuePair::~QueuePair() { ledger::destroyed(Kind::queue_pair, library().ibv_destroy_qp(raw)); }

void QueuePair::modify(ibv_qp_attr& attributes, int mask) {
  check("ibv_modify_qp", name(), library().ibv_modify_qp(raw, &attributes, IBV_QP_STATE | mask));
}

QueuePairHandle::QueuePairHandle(Call& call) : HandleOf(call) {
  const Options options = call.options(1);
  ibv_qp_cap capacity = {};
  capacity.max_send_wr = options.number("maxSends");
  capacity.max_recv_wr = options.number("maxReceives");
  capacity.max_send_sge = capacity.max_recv_sge = options.number("maxSge");
  capacity.max_inline_data = options.number("maxInlineBytes");
  object_ = std::make_shared<QueuePair>(parts_of(call, options), capacity);
  environment_->work_requests.reserve(capacity.max_send_wr, capacity.max_recv_wr);
  bind<&QueuePairHandle::post_sends>(call, "postSends", this);
  bind<&QueuePairHandle::post_receives>(call, "postReceives", this);
}

napi_value QueuePairHandle::describe(Call& call) {
  const auto& pair = object("describe");
  return Record(call.env).set("number", pair->raw->qp_num).set("maxInlineBytes", pair->inline_bytes_max).value();
}

napi_value QueuePairHandle::to_init(Call& call) {
  const Options options = call.options(0);
  ibv_qp_attr attributes = {};
  attributes.qp_state = IBV_QPS_INIT;
  attributes.pkey_index = options.number("pkeyIndex");
  attributes.port_num = options.number("port");
  attributes.qp_access_flags = options.number("access");
  object("ibv_modify_qp")->modify(attributes, IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS);
  return nullptr;
}

napi_value QueuePairHandle::to_ready_to_receive(Call& call) {
  const Options options = call.options(0);
  ibv_qp_attr attributes = {};
  attributes.qp_state = IBV_QPS_RTR;
  attributes.ah_attr = address(options);
  attributes.path_mtu = static_cast<ibv_mtu>(options.number("mtu"));
  attributes.dest_qp_num = options.number("remoteQueuePair");
  attributes.rq_psn = options.number("remotePacketNumber");
  attributes.max_dest_rd_atomic = options.number("maxReadsInFlight");
  attributes.min_rnr_timer = options.number("minRnrTimer");
  object("ibv_modify_qp")->modify(attributes, IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN |
                                                  IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER);
  return nullptr;
}

napi_value QueuePairHandle::to_ready_to_send(Call& call) {
  const Options options = call.options(0);
  ibv_qp_attr attributes = {};
  attributes.qp_state = IBV_QPS_RTS;
  attributes.sq_psn = options.number("packetNumber");
  attributes.timeout = options.number("timeout");
  attributes.retry_cnt = options.number("retries");
  attributes.rnr_retry = options.number("rnrRetries");
  attributes.max_rd_atomic = options.number("maxReadsInFlight");
  object("ibv_modify_qp")->modify(attributes, IBV_QP_SQ_PSN | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY |
                                                  IBV_QP_MAX_QP_RD_ATOMIC);
  return nullptr;
}

napi_value QueuePairHandle::to_state(ibv_qp_state state) {
  ibv_qp_attr attributes = {};
  attributes.qp_state = state;
  object("ibv_modify_qp")->modify(attributes, 0);
  return nullptr;
}

napi_value QueuePairHandle::to_error(Call&) { return to_state(IBV_QPS_ERR); }

napi_value QueuePairHandle::to_reset(Call&) { return to_state(IBV_QPS_RESET); }

napi_value QueuePairHandle::query(Call& call) {
  const auto& pair = object("ibv_query_qp");
  ibv_qp_attr attributes = {};
  ibv_qp_init_attr ignored = {};
  const int mask = IBV_QP_STATE | IBV_QP_PATH_MTU | IBV_QP_AV | IBV_QP_RETRY_CNT | IBV_QP_TIMEOUT;
  check("ibv_query_qp", pair->name(), library().ibv_query_qp(pair->raw, &attributes, mask, &ignored));
  return Record(call.env)
      .set("state", attributes.qp_state)
      .set("mtu", attributes.path_mtu)
      .set("serviceLevel", attributes.ah_attr.sl)
      .set("trafficClass", attributes.ah_attr.grh.traffic_class)
      .set("retries", attributes.retry_cnt)
      .set("timeout", attributes.timeout)
      .value();
}

napi_value QueuePairHandle::post_sends(Call& call) {
  ibv_qp* pair = object("ibv_post_send")->raw;
  WorkRequests& requests = environment_->work_requests;
  post_all(
      call, {"ibv_post_send", QueuePair::NOUN, REQUEST_WORDS, requests.sends_max()},
      [&](const uint32_t* words, uint32_t count) { return requests.build_sends(words, count); },
      [&](ibv_send_wr* list, ibv_send_wr** refused) { return ibv_post_send(pair, list, refused); },
      [&](const ibv_send_wr* refused) { return requests.position(refused); });
  return nullptr;
}

napi_value QueuePairHandle::post_receives(Call& call) {
  ibv_qp* pair = object("ibv_post_recv")->raw;
  WorkRequests& requests = environment_->work_requests;
  post_all(
      call, {"ibv_post_recv", QueuePair::NOUN, RECEIVE_WORDS, requests.receives_max()},
      [&](const uint32_t* words, uint32_t count) { return requests.build_receives(words, count); },
      [&](ibv_recv_wr* list, ibv_recv_wr** refused) { return ibv_post_recv(pair, list, refused); },
      [&](const ibv_recv_wr* refused) { return requests.position(refused); });
  return nullptr;
}

void QueuePairHandle::define(Environment& environment, napi_value exports) {
  define_class<QueuePairHandle>(environment, exports, "QueuePair",
                                {{"describe", invoke<&QueuePairHandle::describe>},
                                 {"toInit", invoke<&QueuePairHandle::to_init>},
                                 {"toReadyToReceive", invoke<&QueuePairHandle::to_ready_to_receive>},
                                 {"toReadyToSend", invoke<&QueuePairHandle::to_ready_to_send>},
                                 {"toError", invoke<&QueuePairHandle::to_error>},
                                 {"toReset", invoke<&QueuePairHandle::to_reset>},
                                 {"query", invoke<&QueuePairHandle::query>}});
}
