// Opening devices, and what happens to them.
#include "device.h"
#include "completion_queue.h"
#include "faults.h"
#include "ledger.h"
#include "queue_pair.h"
#include "thread_domain.h"
#include <algorithm>
#include <cerrno>
#include <vector>

namespace stand_in {

static std::mutex mutex;
static std::vector<Context *> contexts;

Context *Context::of(const ibv_context *context) {
  const char *verbs = reinterpret_cast<const char *>(context) - offsetof(verbs_context, context);
  return reinterpret_cast<Context *>(const_cast<char *>(verbs));
}

Context::Context(Device &device) {
  verbs.sz = sizeof verbs;
  verbs.context.device = &device.device;
  verbs.context.cmd_fd = -1;
  verbs.context.async_fd = events.descriptor();
  verbs.context.num_comp_vectors = 2;
  verbs.context.abi_compat = __VERBS_ABI_IS_EXTENDED;
  setOperations(verbs);
}

static int queryPort(ibv_context *context, uint8_t port, ibv_port_attr *attributes, size_t size) {
  if (port != 1) return EINVAL;
  const ibv_port_attr all = Device::of(context)->port();
  std::memcpy(attributes, &all, std::min(size, sizeof all));
  return 0;
}

void setOperations(verbs_context &verbs) {
  verbs.query_port = queryPort;
  verbs.alloc_td = allocateThreadDomain;
  verbs.dealloc_td = deallocateThreadDomain;
  verbs.alloc_parent_domain = allocateParentDomain;
  verbs.create_cq_ex = createCompletionQueueEx;
  ibv_context_ops &operations = verbs.context.ops;
  operations.poll_cq = pollCompletions;
  operations.req_notify_cq = armCompletionQueue;
  operations.post_send = postSend;
  operations.post_recv = postReceive;
  operations.post_srq_recv = postSharedReceive;
}

static void tellContexts(const Device *device, ibv_event_type type) {
  std::lock_guard<std::mutex> lock(mutex);
  for (Context *context : contexts)
    if (Device::of(&context->verbs.context) == device) context->events.push({nullptr, type, nullptr});
}

} // namespace stand_in

using namespace stand_in;

extern "C" ibv_device **ibv_get_device_list(int *count) {
  auto **list = new ibv_device *[Limits::devices + 1]();
  for (int at = 0; at < Limits::devices; at++) list[at] = &Device::at(at).device;
  if (count) *count = Limits::devices;
  return list;
}

extern "C" void ibv_free_device_list(ibv_device **list) { delete[] list; }

extern "C" ibv_context *ibv_open_device(ibv_device *device) {
  if (failsWithErrno(Verb::openDevice)) return nullptr;
  auto *context = new Context(*Device::of(device));
  std::lock_guard<std::mutex> lock(mutex);
  contexts.push_back(context);
  ledger.contexts++;
  return &context->verbs.context;
}

extern "C" int ibv_close_device(ibv_context *of) {
  Context *context = Context::of(of);
  std::lock_guard<std::mutex> lock(mutex);
  contexts.erase(std::find(contexts.begin(), contexts.end(), context));
  ledger.contexts--;
  delete context;
  return 0;
}

extern "C" int ibv_get_async_event(ibv_context *context, ibv_async_event *event) {
  EventQueue::Event taken;
  if (!Context::of(context)->events.pop(taken)) return -1;
  event->event_type = static_cast<ibv_event_type>(taken.type);
  if (taken.object) event->element.qp = static_cast<ibv_qp *>(taken.object);
  else event->element.port_num = 1;
  return 0;
}

extern "C" void ibv_ack_async_event(ibv_async_event *event) {
  switch (event->event_type) {
    case IBV_EVENT_CQ_ERR:
      return CompletionQueue::of(event->element.cq)->asyncEvents.acknowledge(1);
    case IBV_EVENT_QP_FATAL:
    case IBV_EVENT_QP_REQ_ERR:
    case IBV_EVENT_QP_ACCESS_ERR:
    case IBV_EVENT_QP_LAST_WQE_REACHED:
    case IBV_EVENT_SQ_DRAINED:
      return QueuePair::of(event->element.qp)->events.acknowledge(1);
    default:
      return;
  }
}

extern "C" int stand_in_set_port_state(int device, int state) {
  if (device < 0 || device >= Limits::devices || state < IBV_PORT_NOP || state > IBV_PORT_ACTIVE_DEFER) return EINVAL;
  Device &port = Device::at(device);
  const bool was = port.active();
  port.setPortState(static_cast<ibv_port_state>(state));
  if (was != port.active()) tellContexts(&port, was ? IBV_EVENT_PORT_ERR : IBV_EVENT_PORT_ACTIVE);
  return 0;
}
