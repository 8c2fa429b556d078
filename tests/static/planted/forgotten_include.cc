// A header that is forgotten, as it would go unnoticed among other sources: clang reports it.
namespace baton {

bool IsStorage(const void* storage) {
  return static_cast<const PosixStorage*>(storage) != nullptr;
}

}  // namespace baton
