// The levels of the kernels, for the file that chooses among them and the tests that compare them. A level is
// null where the compiler cannot build it or this machine cannot run it.
#pragma once

#include "kernels/kernels.hpp"

namespace shac {

const Kernels& baseline_kernels();
const Kernels* avx2_kernels();
const Kernels* avx512_kernels();
const Kernels* neon_kernels();

}  // namespace shac
