// Turns C++ exceptions into messages at the boundary.
#pragma once

#include <c10/util/Exception.h>

#include <cstdlib>
#include <cstring>
#include <exception>

namespace laformer {

// A copy, to be freed by laformer_free.
inline char* copied(const char* text) {
  const size_t size = std::strlen(text) + 1;
  auto* copy = static_cast<char*>(std::malloc(size));
  if (copy == nullptr) std::abort();
  std::memcpy(copy, text, size);
  return copy;
}

// Runs `body`; returns nullptr, or the message of the exception that it threw.
template <typename Body>
char* guarded(Body&& body) noexcept {
  try {
    body();
    return nullptr;
  } catch (const c10::Error& error) {
    return copied(error.what_without_backtrace());
  } catch (const std::exception& error) {
    return copied(error.what());
  } catch (...) {
    return copied("unknown C++ exception");
  }
}

}  // namespace laformer
