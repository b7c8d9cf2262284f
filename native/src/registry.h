// What threads of this process share, by number: a token names it, and whoever attaches shares in keeping it open.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

class Context;
class ProtectionDomain;

namespace registry {

/** Never given twice. */
uint32_t next_id();

/** The context of `device`, opened now unless some thread has it open. */
std::shared_ptr<Context> open_context(const std::string& device);
std::shared_ptr<ProtectionDomain> allocate_protection_domain(const std::shared_ptr<Context>& context);

/** @throws VerbError CLOSED if all threads have let go of it */
std::shared_ptr<Context> context(uint32_t id);
std::shared_ptr<ProtectionDomain> protection_domain(uint32_t id);

}  // namespace registry
