#include "registry.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <vector>

#include "context.h"
#include "protection_domain.h"

namespace registry {
namespace {

/** Weak references to the objects that are alive. */
template <class T>
class WeakList {
 public:
  /** @returns null if no live object is `wanted` */
  template <class Wanted>
  std::shared_ptr<T> find(Wanted&& wanted) const {
    for (const auto& place : places_) {
      auto object = place.lock();
      if (object && wanted(*object)) return object;
    }
    return nullptr;
  }
  void put(const std::shared_ptr<T>& object) {
    const auto gone = [](const std::weak_ptr<T>& place) { return place.expired(); };
    places_.erase(std::remove_if(places_.begin(), places_.end(), gone), places_.end());
    places_.push_back(object);
  }

 private:
  std::vector<std::weak_ptr<T>> places_;
};

struct Shared {
  std::mutex mutex;
  WeakList<Context> contexts;
  WeakList<ProtectionDomain> protection_domains;
};

/** Never destroyed, because threads may still use it while the process ends. */
Shared& shared() {
  static Shared& it = *new Shared;
  return it;
}

template <class T>
std::shared_ptr<T> attach(const WeakList<T>& shelf, uint32_t id) {
  std::shared_ptr<T> found;
  {
    std::lock_guard lock(shared().mutex);
    found = shelf.find([&](const T& object) { return object.id == id; });
  }
  if (!found) throw VerbError{"attach", T::NOUN, 0, "CLOSED"};
  return found;
}

}  // namespace

uint32_t next_id() {
  static std::atomic<uint32_t> last = 0;
  return ++last;
}

std::shared_ptr<Context> open_context(const std::string& device) {
  // Held while the device is opened, so that two threads do not open it at the same time.
  std::lock_guard lock(shared().mutex);
  if (auto open = shared().contexts.find([&](const Context& context) { return context.device == device; })) return open;
  auto context = std::make_shared<Context>(device);
  shared().contexts.put(context);
  return context;
}

std::shared_ptr<ProtectionDomain> allocate_protection_domain(const std::shared_ptr<Context>& context) {
  auto domain = std::make_shared<ProtectionDomain>(context);
  std::lock_guard lock(shared().mutex);
  shared().protection_domains.put(domain);
  return domain;
}

std::shared_ptr<Context> context(uint32_t id) { return attach(shared().contexts, id); }

std::shared_ptr<ProtectionDomain> protection_domain(uint32_t id) { return attach(shared().protection_domains, id); }

}  // namespace registry
