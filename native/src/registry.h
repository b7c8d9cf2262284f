// The objects that threads of this process share, by id. A token has the id, and every thread that attaches keeps the
// object open.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

class Context;
class ProtectionDomain;

namespace registry {

/** @returns an id that was not used before */
uint32_t next_id();

/** @returns the context of `device`, which is opened now unless a thread has it open already */
std::shared_ptr<Context> open_context(const std::string& device);
std::shared_ptr<ProtectionDomain> allocate_protection_domain(const std::shared_ptr<Context>& context);

/** @throws VerbError CLOSED if no thread has the object open any more */
std::shared_ptr<Context> context(uint32_t id);
std::shared_ptr<ProtectionDomain> protection_domain(uint32_t id);

}  // namespace registry
