#include "fs/raw_answer.h"

#include <linux/fuse.h>
#include <unistd.h>

namespace baton::fs {

void AnswerRaw(int fd, uint64_t received_unique, int error) {
  fuse_out_header answer = {};
  answer.len = sizeof(answer);
  answer.error = -error;
  answer.unique = received_unique;
  (void)!::write(fd, &answer, sizeof(answer));
}

}  // namespace baton::fs
