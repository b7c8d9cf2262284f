// libibverbs-stand-in: verbs in the memory of one process, for tests. What hardware has no words for is said here:
// faults to come, rules broken, doorbells rung, objects alive. Everything else is <infiniband/verbs.h>.
//
// - Bytes move when they are posted, on the thread that posts (or, where a request waited for a receive, on the
//   thread that posts the receive). Retries take no time: what would be exhausted is, at once.
// - Reliable connections only, found by queue pair number; "standin0" and "standin1" are two hosts, by their GIDs.
// - It is stricter than hardware wherever that costs a careless program nothing to notice: depths are granted exactly
//   as asked for, send slots come back when a completion is polled, an lkey is never good as an rkey, a failed
//   completion says nothing but id, status and queue pair, and arming does not tell of completions already there.
#pragma once
#include <stdint.h>

#define STAND_IN_API __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

struct ibv_td;

/// The work of one thread domain; of all queues outside any in `stand_in_shared_work`.
struct stand_in_work {
  uint64_t doorbells;         ///< calls of post_send that posted something
  uint64_t sends;             ///< send requests posted
  uint64_t inline_sends;      ///< those of them whose bytes were copied while posting
  uint64_t receive_doorbells; ///< calls of post_recv and post_srq_recv that posted something
  uint64_t receives;          ///< receive requests posted
  uint64_t polls;             ///< completions polled
  uint64_t contended;         ///< how often a thread had to wait for a shared doorbell that another one held
  uint64_t threads;           ///< the threads that rang the doorbell; of several doorbells the most
};

STAND_IN_API uint64_t stand_in_doorbells(struct ibv_td *td);
STAND_IN_API struct stand_in_work stand_in_thread_domain_work(struct ibv_td *td);
STAND_IN_API struct stand_in_work stand_in_shared_work(void);
/// As a driver without thread domains does: queue pairs get the device's shared doorbells by turns, and whoever writes to
/// one holds its spin lock. Queue pairs made from now on share `count`. @returns 0, or EINVAL
#define STAND_IN_DOORBELLS 16
STAND_IN_API int stand_in_limit_doorbells(uint32_t count);
/// The work of the doorbells that queue pairs of `device` share. @returns how many, of which `count` at most are written
STAND_IN_API int stand_in_shared_doorbells(int device, struct stand_in_work *into, int count);
/// Rings a shared doorbell `times` times for a request of 32 inline bytes, and counts nothing. @returns 0, or EINVAL
STAND_IN_API int stand_in_ring(int device, uint32_t doorbell, uint32_t times);
/// That of all live thread domains, oldest first. @returns how many there are, of which `count` at most are written
STAND_IN_API int stand_in_thread_domains(struct stand_in_work *into, int count);

/// Uses of a thread domain's objects by another thread than the first that used one of them.
STAND_IN_API uint64_t stand_in_violations(void);
/// The verb of the last violation; NULL: none yet.
STAND_IN_API const char *stand_in_last_violation(void);
/// Completions lost because their queue was full.
STAND_IN_API uint64_t stand_in_overruns(void);

/// Objects alive, by kind.
struct stand_in_ledger {
  int64_t contexts, protection_domains, thread_domains, parent_domains, memory_regions, completion_channels,
      completion_queues, shared_receive_queues, queue_pairs;
  int64_t registered_bytes;
};
STAND_IN_API struct stand_in_ledger stand_in_live(void);

/// The next `count` calls of `verb` ("ibv_reg_mr", "ibv_post_send", …) fail with `error`. @returns 0, or EINVAL for a
/// verb that cannot be made to fail
STAND_IN_API int stand_in_fail_next(const char *verb, int error, uint32_t count);
/// The next `count` send requests, of whatever queue pair, complete with `status` (an ibv_wc_status) unexecuted.
STAND_IN_API void stand_in_fail_sends(int status, uint32_t count);
/// As a cable does: `state` is an ibv_port_state; contexts hear of it. Devices count from 0. @returns 0 or EINVAL
STAND_IN_API int stand_in_set_port_state(int device, int state);
/// The queue pair goes to error, with IBV_EVENT_QP_FATAL. @returns 0, or ENOENT
STAND_IN_API int stand_in_fail_queue_pair(uint32_t number);
/// Registrations beyond so many bytes in all fail with ENOMEM, as under RLIMIT_MEMLOCK. 0: no limit.
STAND_IN_API void stand_in_limit_registered_bytes(uint64_t bytes);

/// From now on send requests stay where they were posted: in flight.
STAND_IN_API void stand_in_hold(void);
/// Executes at most `count` held requests, one at a time: of the queue pairs with the highest service level, by turns.
/// @returns how many
STAND_IN_API uint32_t stand_in_step(uint32_t count);
/// Executes what is held, and holds no more.
STAND_IN_API void stand_in_release(void);

/// Forgets faults, limits of memory and doorbells, holds, violations, overruns and shared work, and brings the ports up.
STAND_IN_API void stand_in_reset(void);

#ifdef __cplusplus
}
#endif
