#include "doorbell.h"
#include "device.h"
#include "thread.h"
#include <algorithm>
#include <cerrno>
#include <emmintrin.h>
#include <mutex>

namespace stand_in {

static std::atomic<uint32_t> limited{STAND_IN_DOORBELLS};

/// Past the caches, and flushed before anybody else writes, as a register is that combines writes.
void Doorbell::write(const WorkRequest *only) {
  const uint32_t size = only ? sizeof *only + only->inlineBytes : half + 1;
  _mm_sfence();
  if (size <= half) {
    const char *from = reinterpret_cast<const char *>(only);
    for (uint32_t at = 0; at < size; at += sizeof(__m128i)) {
      const __m128i piece = _mm_loadu_si128(reinterpret_cast<const __m128i *>(from + at));
      _mm_stream_si128(reinterpret_cast<__m128i *>(memory + offset + at), piece);
    }
  } else {
    _mm_stream_si64(reinterpret_cast<long long *>(memory + offset), 1);
  }
  _mm_sfence();
  offset ^= half;
}

bool Doorbell::ring(const WorkRequest *only) {
  if (sharing == Sharing::none) return write(only), false;
  const bool waits = !lock.try_lock();
  if (waits) lock.lock();
  write(only);
  lock.unlock();
  return waits;
}

void Doorbell::join(SendCounts &counts) {
  std::lock_guard<SpinLock> guard(listing);
  members.push_back(&counts);
}

void Doorbell::leave(SendCounts &counts) {
  std::lock_guard<SpinLock> guard(listing);
  members.erase(std::find(members.begin(), members.end(), &counts));
  counts.addTo(gone);
}

void Doorbell::usedBy(uint32_t thread) {
  std::lock_guard<SpinLock> guard(listing);
  if (std::find(threads.begin(), threads.end(), thread) == threads.end()) threads.push_back(thread);
}

stand_in_work Doorbell::work() {
  std::lock_guard<SpinLock> guard(listing);
  stand_in_work work{};
  gone.addTo(work);
  for (const SendCounts *counts : members) counts->addTo(work);
  work.threads = threads.size();
  return work;
}

void Doorbell::clear() {
  std::lock_guard<SpinLock> guard(listing);
  gone.clear();
  for (SendCounts *counts : members) counts->clear();
  threads.clear();
}

void SendCounts::addTo(stand_in_work &work) const {
  work.doorbells += doorbells;
  work.sends += sends;
  work.inline_sends += inlineSends;
  work.contended += contended;
}

void SendCounts::addTo(SendCounts &counts) const {
  add(counts.doorbells, doorbells), add(counts.sends, sends);
  add(counts.inlineSends, inlineSends), add(counts.contended, contended);
}

void SendCounts::clear() {
  for (Count *count : {&doorbells, &sends, &inlineSends, &contended}) *count = 0;
}

Doorbell &SharedDoorbells::next() { return doorbells[turn++ % count()]; }

void SharedDoorbells::limit(uint32_t count) { limited = count; }

uint32_t SharedDoorbells::count() { return limited; }

void SharedDoorbells::addTo(stand_in_work &sum) {
  for (Doorbell &doorbell : doorbells) {
    const stand_in_work work = doorbell.work();
    sum.doorbells += work.doorbells;
    sum.sends += work.sends;
    sum.inline_sends += work.inline_sends;
    sum.contended += work.contended;
    sum.threads = std::max(sum.threads, work.threads);
  }
}

void SharedDoorbells::clear() {
  for (Doorbell &doorbell : doorbells) doorbell.clear();
}

void QueueCounts::addTo(stand_in_work &work) const {
  work.receive_doorbells += receiveDoorbells;
  work.receives += receives;
  work.polls += polls;
}

void QueueCounts::clear() {
  for (Count *count : {&receiveDoorbells, &receives, &polls}) *count = 0;
}

} // namespace stand_in

using namespace stand_in;

extern "C" int stand_in_limit_doorbells(uint32_t count) {
  if (count < 1 || count > STAND_IN_DOORBELLS) return EINVAL;
  SharedDoorbells::limit(count);
  return 0;
}

extern "C" int stand_in_ring(int device, uint32_t doorbell, uint32_t times) {
  if (device < 0 || device >= Limits::devices || doorbell >= STAND_IN_DOORBELLS) return EINVAL;
  struct {
    WorkRequest request;
    char bytes[32];
  } one{};
  one.request.inlineBytes = sizeof one.bytes;
  Doorbell &rung = Device::at(device).doorbells.at(doorbell);
  for (uint32_t time = 0; time < times; time++) rung.ring(&one.request);
  return 0;
}

extern "C" int stand_in_shared_doorbells(int device, stand_in_work *into, int count) {
  if (device < 0 || device >= Limits::devices) return 0;
  const int shared = SharedDoorbells::count();
  for (int at = 0; at < std::min(shared, count); at++) into[at] = Device::at(device).doorbells.at(at).work();
  return shared;
}
